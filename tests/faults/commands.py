"""Runs the command line: in this process where one of its own would add nothing, else as a user does."""

from __future__ import annotations

import functools
import os
import re
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

HOME = Path(__file__).parents[2]
OK, FAILED, BAD_INPUT = 0, 1, 2
LOGS = {"log", "run", "viaduct.db", "viaduct.db-shm", "viaduct.db-wal", "viaduct.db.migration"}
"""What a refused command may leave in the state directory: its log, and the journal of runs."""


@dataclass(frozen=True)
class Told:
    """How a command ended: its exit status and all that it wrote."""

    status: int
    out: str
    err: str

    @property
    def text(self) -> str:
        return self.out + self.err

    @property
    def flat(self) -> str:
        """The text on one line: remedies are wrapped for the terminal."""
        return " ".join(self.text.split())

    @property
    def codes(self) -> list[str]:
        """The codes of all errors told, in order."""
        return re.findall(r"^error ([A-Z]+-\d+|E_[A-Z_]+): ", self.text, re.MULTILINE)

    def refuses(self, code: str, *words: str, status: int = FAILED) -> None:
        """Assert one kind of error, with a sentence and a remedy in ``words``, and no trace of a crash."""
        assert self.status == status, self.text
        assert set(self.codes) == {code}, self.text
        assert self.text.count("what to do: ") >= len(self.codes), self.text
        for word in words:
            assert word in self.flat, f"{word!r} is not in:\n{self.text}"
        assert "Traceback" not in self.text
        assert "VIADUCT-999" not in self.text


def environment(extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """A user's environment, without settings of this machine that Viaduct would take notice of."""
    ours = ("OS_", "VIADUCT_", "PIP_", "UV_")
    kept = {key: value for key, value in os.environ.items() if not key.startswith(ours)}
    return {
        **kept,
        "VIADUCT_HOME": str(HOME),
        "PYTHONPATH": f"{HOME / 'src'}:{HOME / 'lab'}",
        **(extra or {}),
    }


@functools.cache
def _may_be_apart() -> bool:
    tried = ["unshare", "--map-root-user", "--mount", "mount", "-t", "tmpfs", "tmpfs", "/tmp"]
    return subprocess.run(tried, capture_output=True, check=False).returncode == 0


def argv(state: Path, *words: str) -> list[str]:
    """What ``./viaduct`` hands over to, without making a Python environment of the state's own first."""
    return [sys.executable, "-m", "viaduct", "--state", str(state), *words]


def run(words: Sequence[str], extra: Mapping[str, str] | None = None, *, timeout: float = 90) -> Told:
    """Run a program to its end."""
    done = subprocess.run(
        list(words),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        env=environment(extra),
        cwd="/",
        timeout=timeout,
        check=False,
    )
    return Told(done.returncode, done.stdout, done.stderr)


def apart(script: str, *words: str, root: bool = True, extra: Mapping[str, str] | None = None) -> Told:
    """Run a shell script ($0, $1... are ``words``) in namespaces of its own, where it may mount what it likes.

    It needs no root: a user namespace makes the caller one, or, without ``root``, nobody. Skips the test where
    the machine lets nobody make one.
    """
    if not _may_be_apart():
        pytest.skip("user namespaces are refused here (unshare --user)")
    space = ["--map-root-user", "--mount"] if root else ["--user"]
    return run(["unshare", *space, "sh", "-c", script, *words], extra)
