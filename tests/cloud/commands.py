"""Runs ``./viaduct`` as a user does, in a state directory of the tests' own."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

HOME = Path(__file__).parents[2]


@dataclass(frozen=True)
class Result:
    """How a command ended; ``text`` is all that it printed."""

    status: int
    text: str


@dataclass(frozen=True)
class Viaduct:
    """The command line with one state directory."""

    state: Path

    def argv(self, *words: str) -> list[str]:
        return [str(HOME / "viaduct"), "--state", str(self.state), *words]

    def run(self, *words: str, timeout: float = 120) -> Result:
        """Run to the end; the whole process group is killed when ``timeout`` seconds are over."""
        with self._start(*words) as process:
            try:
                text, _ = process.communicate(timeout=timeout)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                raise
        return Result(process.returncode, text)

    def succeed(self, *words: str, timeout: float = 120) -> str:
        """Run, and fail the test unless the command succeeds; returns what it printed."""
        result = self.run(*words, timeout=timeout)
        assert result.status == 0, f"{words}: exit {result.status}\n{result.text[-6000:]}"
        return result.text

    def kill_at(self, title: str, *words: str, timeout: float = 300) -> str:
        """Start a command and kill it with SIGKILL as soon as it prints ``title``; returns what it had printed.

        Ends without killing when the command ends first.
        """
        seen: list[str] = []
        deadline = time.monotonic() + timeout
        with self._start(*words) as process:
            assert process.stdout is not None
            for line in process.stdout:
                seen.append(line)
                if title in line or time.monotonic() > deadline:
                    with suppress(ProcessLookupError):
                        os.killpg(process.pid, signal.SIGKILL)
                    break
        return "".join(seen)

    def _start(self, *words: str) -> subprocess.Popen[str]:
        environment = {k: v for k, v in os.environ.items() if not k.startswith(("OS_", "VIADUCT_"))}
        environment.pop("PYTHONPATH", None)
        return subprocess.Popen(
            self.argv(*words),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env=environment,
            cwd="/",
            start_new_session=True,
        )
