"""Failures of a build: a code to search for, a sentence, and what to do about it."""

from __future__ import annotations

from pathlib import Path


class BuildError(Exception):
    """A build that cannot go on.

    `code` is stable (documentation and callers refer to it), `message` says what happened in one
    sentence, `remedy` says what the user can do, `log` is the file with the details, if any.
    """

    def __init__(self, code: str, message: str, remedy: str, log: Path | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.remedy = remedy
        self.log = log


def log_tail(log: Path | None, lines: int = 25) -> list[str]:
    """The last `lines` lines of a log; empty when there is none."""
    if log is None or not log.is_file():
        return []
    return log.read_text(errors="replace").splitlines()[-lines:]
