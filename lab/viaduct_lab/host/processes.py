"""Finding and ending the lab's own processes: by a lock they hold, never by their name.

A lab process holds an exclusive ``flock`` on its lock file as long as it lives, and the file's text is its
pid. So a stale file after a crash or a reboot never points at a stranger that got the same pid.
"""

from __future__ import annotations

import fcntl
import os
import select
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path


class LockHeldError(Exception):
    """Somebody else holds the lock."""


def acquire(lock: Path) -> int:
    """Take ``lock`` and return its file descriptor.

    Raises :class:`LockHeldError`. A short wait covers those who merely look (:func:`is_held` takes the lock
    for an instant). The kernel frees the lock when the last process that inherited the descriptor is gone.
    """
    descriptor = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    deadline = time.monotonic() + 0.2
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= deadline:
                os.close(descriptor)
                raise LockHeldError(str(lock)) from None
            time.sleep(0.01)
        else:
            return descriptor


def spawn(
    lock: Path,
    argv: Sequence[str],
    log: Path,
    *,
    env: Mapping[str, str] | None = None,
    pass_fds: Sequence[int] = (),
) -> subprocess.Popen[bytes]:
    """Start ``argv`` as a daemon that holds ``lock`` and outlives this process.

    It gets a session of its own; its output is appended to ``log`` (made with mode 0600). Raises
    :class:`LockHeldError` when one runs already, ``OSError`` when it cannot be started.
    """
    held = acquire(lock)
    try:
        output = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        try:
            process = subprocess.Popen(
                argv,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env=dict(env) if env is not None else None,
                start_new_session=True,
                pass_fds=(held, *pass_fds),
            )
        finally:
            os.close(output)
        write_pid(held, process.pid)
    finally:
        os.close(held)
    return process


def write_pid(descriptor: int, pid: int) -> None:
    """Write ``pid`` into the lock file behind ``descriptor``."""
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, f"{pid}\n".encode(), 0)


def holder(lock: Path) -> int | None:
    """Pid of the process that holds ``lock``; None when nobody does (or it has not written it yet)."""
    try:
        descriptor = os.open(lock, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        text = os.pread(descriptor, 32, 0).decode().strip()
        return int(text) if text.isdigit() else None
    finally:
        os.close(descriptor)
    return None


def is_held(lock: Path) -> bool:
    """Whether a living process holds ``lock``."""
    try:
        descriptor = os.open(lock, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False


@contextmanager
def exclusive(lock: Path, timeout: float) -> Iterator[None]:
    """Hold ``lock`` inside the ``with`` block; waits up to ``timeout`` seconds.

    Raises :class:`LockHeldError` when the time is over.
    """
    deadline = time.monotonic() + timeout
    while True:
        try:
            descriptor = acquire(lock)
            break
        except LockHeldError:
            if time.monotonic() >= deadline:
                raise
            time.sleep(0.02)
    try:
        yield
    finally:
        os.close(descriptor)


def send(lock: Path, number: int) -> bool:
    """Send signal ``number`` to the holder of ``lock``; False when there is none.

    The process is pinned by a pidfd before its lock is looked at again, so that a pid that was used
    anew in between is never signalled.
    """
    pid = holder(lock)
    if pid is None:
        return False
    try:
        pidfd = os.pidfd_open(pid)
    except ProcessLookupError:
        return False
    try:
        if holder(lock) != pid:
            return False
        signal.pidfd_send_signal(pidfd, number)
    except ProcessLookupError:
        return False
    finally:
        os.close(pidfd)
    return True


def wait_released(lock: Path, timeout: float) -> bool:
    """Wait until nobody holds ``lock``; False when somebody still does after ``timeout`` seconds."""
    deadline = time.monotonic() + timeout
    pid = holder(lock)
    if pid is not None:
        _wait_exit(pid, timeout)
    while is_held(lock):
        if time.monotonic() >= deadline:
            return False
        time.sleep(0.01)
    return True


def end(lock: Path, grace: float) -> bool:
    """End the holder of ``lock``: SIGTERM, after ``grace`` seconds SIGKILL. False if it lives on."""
    if not send(lock, signal.SIGTERM):
        return wait_released(lock, 1.0)
    if wait_released(lock, grace):
        return True
    send(lock, signal.SIGKILL)
    return wait_released(lock, 5.0)


def children(pid: int) -> tuple[int, ...]:
    """Pids of the direct children of ``pid``; empty when it is gone."""
    try:
        text = Path(f"/proc/{pid}/task/{pid}/children").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return ()
    return tuple(int(part) for part in text.split())


def _wait_exit(pid: int, timeout: float) -> None:
    try:
        pidfd = os.pidfd_open(pid)
    except (ProcessLookupError, OSError):
        return
    try:
        poller = select.poll()
        poller.register(pidfd, select.POLLIN)
        poller.poll(timeout * 1000)
    finally:
        os.close(pidfd)
