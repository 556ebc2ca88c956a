"""The background thread of the repair."""

from __future__ import annotations

import fcntl
import threading
from collections.abc import Callable
from pathlib import Path

from viaduct_drivers.neutron.background import BackgroundRepair
from viaduct_drivers.neutron.reconcile import Outcome

DONE = Outcome("create", "c1-web", "n", "done")
FAILED = Outcome("delete", "c1-old", "n", "failed")


class Runs:
    """A repair that gives the next of its answers, and can be waited for."""

    def __init__(self, *answers: list[Outcome] | Exception) -> None:
        self.answers = list(answers)
        self.count = 0
        self._changed = threading.Condition()

    def __call__(self) -> list[Outcome]:
        with self._changed:
            answer = self.answers[min(self.count, len(self.answers) - 1)]
            self.count += 1
            self._changed.notify_all()
        if isinstance(answer, Exception):
            raise answer
        return answer

    def wait_for(self, count: int) -> bool:
        with self._changed:
            return self._changed.wait_for(lambda: self.count >= count, timeout=5)


def _with(runs: Callable[[], list[Outcome]], **options: object) -> BackgroundRepair:
    return BackgroundRepair(runs, **options)  # type: ignore[arg-type]


def test_runs_once_when_asked() -> None:
    runs = Runs([DONE])
    background = _with(runs, first_retry=0.01)
    background.request()
    assert runs.wait_for(1)
    background.stop()
    assert runs.count == 1


def test_tries_again_after_a_failure_and_after_an_exception() -> None:
    runs = Runs([FAILED], OSError("vCenter is down"), [DONE])
    background = _with(runs, first_retry=0.01)
    background.request()
    assert runs.wait_for(3)
    background.stop()
    assert runs.count == 3


def test_repeats_at_an_interval() -> None:
    runs = Runs([])
    background = _with(runs, interval=0.02)
    background.request()
    assert runs.wait_for(3)
    background.stop()


def test_an_earlier_request_wins() -> None:
    runs = Runs([])
    background = _with(runs)
    background.request(delay=3600)
    background.request(delay=0)
    background.request(delay=3600)
    assert runs.wait_for(1)
    background.stop()


def test_leaves_it_to_the_process_that_holds_the_lock(tmp_path: Path) -> None:
    lock = tmp_path / "locks" / "repair"
    lock.parent.mkdir()
    runs = Runs([DONE])
    background = _with(runs, lock_file=lock, interval=0.02)
    with lock.open("a") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        background.request()
        assert not threading.Event().wait(0.1)
        assert runs.count == 0
    assert runs.wait_for(1)
    background.stop()
