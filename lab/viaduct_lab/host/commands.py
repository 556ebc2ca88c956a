"""Running the machine's own tools, bounded in time."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping, Sequence


class CommandError(Exception):
    """A tool failed; the text holds the command and what it said."""

    def __init__(self, argv: Sequence[str], reason: str) -> None:
        self.argv = tuple(argv)
        self.reason = reason
        super().__init__(f"{' '.join(argv)}: {reason}")


def run(
    *argv: str,
    timeout: float = 30.0,
    check: bool = True,
    env: Mapping[str, str] | None = None,
) -> str:
    """Run ``argv`` and return its standard output.

    ``timeout`` in seconds. Raises :class:`CommandError` when the tool is missing, takes too long, or,
    with ``check``, exits with a status other than 0.
    """
    try:
        done = subprocess.run(
            argv,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=timeout,
            env=dict(env) if env is not None else None,
            check=False,
        )
    except FileNotFoundError as error:
        raise CommandError(argv, "not installed") from error
    except subprocess.TimeoutExpired as error:
        raise CommandError(argv, f"no end after {timeout:.0f} s") from error
    if check and done.returncode != 0:
        said = done.stderr.decode(errors="replace").strip() or f"status {done.returncode}"
        raise CommandError(argv, said)
    return done.stdout.decode(errors="replace")


def succeeds(*argv: str, timeout: float = 30.0) -> bool:
    """Whether ``argv`` exits with status 0."""
    try:
        run(*argv, timeout=timeout)
    except CommandError:
        return False
    return True
