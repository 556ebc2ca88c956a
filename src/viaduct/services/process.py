"""Running our own programs (the image builder, the lab) as children, line by line."""

from __future__ import annotations

import subprocess
import threading
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import IO

TAIL_LINES = 40
_PATIENCE_SECONDS = 30.0


@dataclass(frozen=True)
class Ended:
    """How a child ended: its status, its standard output's and its standard error's last lines."""

    exit_status: int
    output: str
    errors: str

    @property
    def reason(self) -> str:
        """Why it failed: what our programs say after ``error CODE:``, else the last line that there is."""
        lines = [line.strip() for line in (self.errors or self.output).splitlines() if line.strip()]
        told = [line.partition(": ")[2] for line in lines if line.startswith("error ")]
        return (told or lines or [f"it ended with status {self.exit_status}"])[-1]

    @property
    def remedy(self) -> str:
        """What our programs advise; empty when they do not."""
        lines = [line.strip() for line in self.errors.splitlines()]
        return next((line.partition(": ")[2] for line in lines if line.startswith("what to do: ")), "")

    @property
    def detail(self) -> str:
        """The rest of standard error: what our programs quote of logs, or what a crash left."""
        said = ("error ", "what to do: ", "log: ")
        rest = (line for line in self.errors.splitlines() if not line.strip().startswith(said))
        return "\n".join(line.removeprefix("  | ") for line in rest)


Runner = Callable[[Sequence[str], Callable[[str], None]], Ended]
"""Runs an argument vector, handing over each line of its standard output."""


def run_process(arguments: Sequence[str], line: Callable[[str], None]) -> Ended:
    """The real :data:`Runner`. A child that outlives an interruption is asked to end, then killed."""
    child = subprocess.Popen(
        list(arguments),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",
    )
    output: deque[str] = deque(maxlen=TAIL_LINES)
    errors: deque[str] = deque(maxlen=TAIL_LINES)
    readers = [
        threading.Thread(target=_read, args=(child.stdout, output, line), daemon=True),
        threading.Thread(target=_read, args=(child.stderr, errors, lambda _: None), daemon=True),
    ]
    for reader in readers:
        reader.start()
    try:
        status = child.wait()
    except BaseException:
        _end(child)
        raise
    # Daemons that the child left behind may hold its pipes open: do not wait for their end of file.
    for reader in readers:
        reader.join(timeout=1.0)
    return Ended(status, "\n".join(output), "\n".join(errors))


def _read(stream: IO[str] | None, kept: deque[str], line: Callable[[str], None]) -> None:
    for text in stream or ():
        kept.append(text.rstrip("\n"))
        line(text.rstrip("\n"))


def _end(child: subprocess.Popen[str]) -> None:
    child.terminate()
    try:
        child.wait(_PATIENCE_SECONDS)
    except subprocess.TimeoutExpired:
        child.kill()
        child.wait()
