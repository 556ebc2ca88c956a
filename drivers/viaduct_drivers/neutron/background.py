"""The thread that repairs in the background of the API process."""

from __future__ import annotations

import fcntl
import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from viaduct_drivers.neutron.reconcile import Outcome, clean

LOG = logging.getLogger(__name__)

FIRST_RETRY: Final = 15.0
LAST_RETRY: Final = 600.0


class BackgroundRepair:
    """Runs a repair when asked, at an interval, and again after one that was not clean.

    The thread starts with the first request, so that a process that never asks has none. The waits are
    seconds; retries double from 15 s to 10 min.
    """

    def __init__(
        self,
        run: Callable[[], list[Outcome]],
        *,
        interval: float = 0,
        lock_file: Path | None = None,
        first_retry: float = FIRST_RETRY,
    ) -> None:
        self._run = run
        self._interval = interval
        self._lock_file = lock_file
        self._first_retry = first_retry
        self._condition = threading.Condition()
        self._due: float | None = None
        self._thread: threading.Thread | None = None
        self._stopped = False

    def request(self, delay: float = 0) -> None:
        """Repair in `delay` seconds, or earlier if an earlier repair is due already."""
        with self._condition:
            due = time.monotonic() + delay
            self._due = due if self._due is None else min(self._due, due)
            if self._thread is None:
                self._thread = threading.Thread(target=self._loop, name="viaduct-dvs-repair", daemon=True)
                self._thread.start()
            self._condition.notify()

    def stop(self, timeout: float = 5) -> None:
        """End the thread after the repair that runs now."""
        with self._condition:
            self._stopped = True
            self._condition.notify()
        if self._thread is not None:
            self._thread.join(timeout)

    def _loop(self) -> None:
        retry = self._first_retry
        while self._wait():
            succeeded = self._once()
            retry = self._first_retry if succeeded else min(retry * 2, LAST_RETRY)
            if not succeeded:
                self.request(retry / 2)
            elif self._interval:
                self.request(self._interval)

    def _wait(self) -> bool:
        """Wait until a repair is due; false when the thread shall end."""
        with self._condition:
            while not self._stopped:
                left = None if self._due is None else self._due - time.monotonic()
                if left is not None and left <= 0:
                    self._due = None
                    return True
                self._condition.wait(left)
            return False

    def _once(self) -> bool:
        try:
            with _exclusive(self._lock_file) as mine:
                if not mine:
                    LOG.info("another process of this host is repairing the distributed switch")
                    return True
                outcomes = self._run()
        except Exception:
            # A thread that ends on an unforeseen error would never repair again.
            LOG.exception("repair of the distributed switch failed; will try again")
            return False
        for outcome in outcomes:
            level = logging.INFO if outcome.result in ("done", "skipped") else logging.WARNING
            LOG.log(level, "distributed switch repair: %s", outcome.line())
        if not outcomes:
            LOG.info("distributed switch and Neutron agree")
        return clean(outcomes)


@contextmanager
def _exclusive(lock_file: Path | None) -> Iterator[bool]:
    """Hold a lock among the processes of this host; false if another process holds it."""
    if lock_file is None:
        yield True
        return
    lock_file.parent.mkdir(parents=True, exist_ok=True)
    with lock_file.open("a") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
            return
        yield True
