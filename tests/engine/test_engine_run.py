"""Runs: order, retries, undoing, endings, and the journal of it all."""

from __future__ import annotations

import pytest

from fakes import FakeJournal, FakeTime
from viaduct.engine.journal import TRANSITIONS, StepState, moved
from viaduct.engine.redact import Redactor
from viaduct.engine.retry import RetryPolicy
from viaduct.engine.run import Handler, Report, Run
from viaduct.errors import CloudError, NodeApplyFailed, VCenterError, VCenterUnreachable
from viaduct.model.event import Event, EventKind
from viaduct.model.plan import Plan, Step
from viaduct.model.secret import Secret

A, B, C = (Step("do", name, f"Do {name}") for name in "abc")


class Recorder:
    """A run with a journal, events, and handlers that fail as told."""

    def __init__(self, **failures: list[Exception]) -> None:
        self.journal = FakeJournal()
        self.events: list[Event] = []
        self.time = FakeTime()
        self.failures = failures
        self.done: list[str] = []
        self.undone: list[str] = []
        redact = Redactor()
        redact.add([Secret("topsecret")])
        self.run = Run("c", "up", self.journal, self.events.append, redact=redact, clock=self.time.clock())

    def do(self, step: Step, report: Report) -> None:
        waiting = self.failures.get(step.target)
        if waiting:
            raise waiting.pop(0)
        self.time.seconds += 2.0
        report("halfway, topsecret")
        self.done.append(step.target)

    def undo(self, step: Step, report: Report) -> None:
        self.undone.append(step.target)

    def execute(self, *steps: Step, undoable: bool = True) -> None:
        handler = Handler(self.do, self.undo if undoable else None)
        with self.run as run:
            run.execute(Plan("c", steps), {"do": handler})

    def kinds(self) -> list[str]:
        return [str(event.kind) for event in self.events]


def test_steps_in_order_with_events() -> None:
    seen = Recorder()
    seen.execute(A, B)
    assert seen.done == ["a", "b"]
    step = ["step-started", "step-progress", "step-done"]
    assert seen.kinds() == ["run-started", *step, *step, "run-done"]
    started, _, done = seen.events[1:4]
    assert (started.position, started.total, started.title, started.text) == (1, 2, "Do a", "Do b")
    assert done.seconds == 2.0
    assert seen.journal.steps == [
        ("do:a", "running"),
        ("do:a", "done"),
        ("do:b", "running"),
        ("do:b", "done"),
    ]
    assert list(seen.journal.runs.values()) == ["done"]


def test_retryable_errors_are_tried_again_with_growing_pauses() -> None:
    seen = Recorder(a=[VCenterUnreachable("gone"), VCenterUnreachable("gone")])
    seen.execute(A)
    assert seen.done == ["a"]
    assert seen.time.slept == [1.0, 3.0]
    assert [s for _, s in seen.journal.steps] == [
        "running",
        "retrying",
        "running",
        "retrying",
        "running",
        "done",
    ]
    assert seen.kinds().count("step-retried") == 2
    assert seen.kinds().count("step-started") == 1


def test_retries_are_bounded() -> None:
    seen = Recorder(a=[VCenterUnreachable("gone")] * 9)
    with pytest.raises(VCenterUnreachable):
        seen.execute(A)
    policy = RetryPolicy()
    assert len(seen.time.slept) == policy.attempts - 1
    assert max(seen.time.slept) <= policy.longest_delay


def test_other_errors_are_not_tried_again_and_undone_in_reverse() -> None:
    seen = Recorder(c=[VCenterError("no")])
    with pytest.raises(VCenterError):
        seen.execute(A, B, C)
    assert seen.undone == ["c", "b", "a"]
    assert seen.journal.steps[-3:] == [("do:c", "undone"), ("do:b", "undone"), ("do:a", "undone")]
    assert list(seen.journal.runs.values()) == ["failed"]
    assert seen.time.slept == []


def test_undoing_stops_at_what_cannot_be_undone() -> None:
    seen = Recorder(c=[CloudError("no")])
    kept = Step("keep", "b", "Keep b")
    handlers = {"do": Handler(seen.do, seen.undo), "keep": Handler(seen.do)}
    with pytest.raises(CloudError), seen.run as run:
        run.execute(Plan("c", (A, kept, C)), handlers)
    assert seen.undone == ["c"]


def test_undo_that_fails_is_told_and_the_cause_is_raised() -> None:
    seen = Recorder(b=[NodeApplyFailed("the cause")])

    def undo(step: Step, report: Report) -> None:
        raise VCenterUnreachable("gone")

    with pytest.raises(NodeApplyFailed, match="the cause"), seen.run as run:
        run.execute(Plan("c", (A, B)), {"do": Handler(seen.do, undo)})
    assert any("could not be undone: gone" in event.text for event in seen.events)


def test_unexpected_exception_fails_the_run_and_undoes_nothing() -> None:
    seen = Recorder(a=[ZeroDivisionError()])
    with pytest.raises(ZeroDivisionError):
        seen.execute(A)
    assert seen.undone == []
    assert list(seen.journal.runs.values()) == ["failed"]
    assert EventKind.STEP_FAILED in seen.kinds()


def test_secrets_are_masked_in_events_and_journal() -> None:
    seen = Recorder(b=[CloudError("failed with topsecret")])
    with pytest.raises(CloudError):
        seen.execute(A, B)
    told = [event.text for event in seen.events] + seen.journal.errors
    assert "halfway, ***" in told
    assert "failed with ***" in told
    assert not any("topsecret" in text for text in told)


def test_masking_takes_the_longest_and_leaves_short_words() -> None:
    redact = Redactor()
    redact.add([Secret("secret"), Secret("secret-and-more"), Secret("up"), Secret("-----BEGIN\nMIIabcdef\n")])
    assert redact("secret-and-more, secret, up, MIIabcdef, -----BEGIN") == "***, ***, up, ***, -----BEGIN"


@pytest.mark.parametrize("old", StepState)
@pytest.mark.parametrize("new", StepState)
def test_transition_table(old: StepState, new: StepState) -> None:
    if new in TRANSITIONS[old]:
        assert moved(old, new) is new
    else:
        with pytest.raises(ValueError, match="cannot go from"):
            moved(old, new)
