"""Programs that the agent runs."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import tempfile
import time

from .output import Pulse

OUTPUT_LINES = 40


def run(arguments: list[str], timeout: float = 120) -> subprocess.CompletedProcess[str]:
    """A short command of the system; its failure is the caller's to judge."""
    return subprocess.run(
        arguments,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        errors="replace",
        timeout=timeout,
        check=False,
    )


class Shell:
    """A shell command in a process group of its own, whose output goes to a file."""

    def __init__(self, command: str) -> None:
        self._output = tempfile.TemporaryFile()  # noqa: SIM115 - closed in close()
        self._process = subprocess.Popen(
            ["/bin/sh", "-c", command],
            stdin=subprocess.DEVNULL,
            stdout=self._output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )

    def status(self) -> int | None:
        """Exit status; None while it runs."""
        return self._process.poll()

    def kill(self) -> None:
        """End it with all that it started."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()

    def tail(self) -> str:
        """The last lines that it wrote."""
        self._output.seek(0)
        text = self._output.read().decode(errors="replace")
        return "\n".join(text.splitlines()[-OUTPUT_LINES:])

    def close(self) -> None:
        """Leave nothing running and nothing open."""
        if self.status() is None:
            self.kill()
        self._output.close()


def shell(command: str, timeout: float, pulse: Pulse) -> tuple[int | None, str]:
    """Exit status (None when time ran out) and the end of the output."""
    begin = time.monotonic()
    running = Shell(command)
    try:
        while running.status() is None:
            if time.monotonic() - begin > timeout:
                running.kill()
                return None, running.tail()
            pulse.beat()
            time.sleep(0.02)
        return running.status(), running.tail()
    finally:
        running.close()
