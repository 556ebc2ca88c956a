"""A run: steps carried out in order, each journalled and told as events."""

from __future__ import annotations

import os
import secrets
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from types import TracebackType

from viaduct.engine.events import Sink
from viaduct.engine.journal import Journal, RunState, StepState, moved
from viaduct.engine.redact import Redactor
from viaduct.engine.retry import RetryPolicy
from viaduct.errors import ViaductError
from viaduct.model.event import Event, EventKind
from viaduct.model.plan import Plan, Step

Report = Callable[[str], None]
Action = Callable[[Step, Report], None]

INTERRUPTED = "Interrupted. Nothing is lost: run the same command again and it completes."


@dataclass(frozen=True)
class Handler:
    """What does a step, and what removes its half-made result when it fails for good."""

    do: Action
    undo: Action | None = None


@dataclass(frozen=True)
class Clock:
    """Time, so that tests need not wait."""

    now: Callable[[], datetime] = lambda: datetime.now(UTC)
    monotonic: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep


@dataclass
class _Progress:
    """Where a step of this run stands."""

    step: Step
    position: int
    began: float
    state: StepState = StepState.PENDING
    attempts: int = 0


@dataclass
class Run:
    """Use as a context manager; :meth:`perform` and :meth:`execute` steps within.

    Leaving it by a :class:`ViaductError` marks the run failed, by ``KeyboardInterrupt`` interrupted.
    """

    cloud: str
    command: str
    journal: Journal
    sink: Sink
    redact: Redactor = field(default_factory=Redactor)
    retry: RetryPolicy = field(default_factory=RetryPolicy)
    clock: Clock = field(default_factory=Clock)
    id: str = ""
    _begun: int = 0
    _upcoming: list[Step] = field(default_factory=list)
    _began: float = 0.0

    def __enter__(self) -> Run:
        if not self.id:
            self.id = new_run_id(self.clock.now())
        self._began = self.clock.monotonic()
        self.journal.run_started(self.id, self.cloud, self.command, os.getpid(), self.clock.now())
        self._emit(EventKind.RUN_STARTED, title=self.command)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if error is None:
            self._end(RunState.DONE, "")
        elif isinstance(error, KeyboardInterrupt):
            self._end(RunState.INTERRUPTED, INTERRUPTED)
        elif isinstance(error, ViaductError):
            self._end(RunState.FAILED, error.sentence)
        elif isinstance(error, Exception):
            self._end(RunState.FAILED, f"unexpected {type(error).__name__}")

    def expect(self, steps: Sequence[Step]) -> None:
        """Say which steps are still to come (for position, total and 'next')."""
        self._upcoming = list(steps)

    def execute(self, plan: Plan, handlers: Mapping[str, Handler], then: Sequence[Step] = ()) -> None:
        """Carry out a plan; ``then`` are steps that the caller means to perform after it.

        When a step fails for good, it is undone, and before it, in reverse, the steps of this plan that can
        be undone, up to the first that cannot.
        """
        self.expect([*plan.steps, *then])
        done: list[_Progress] = []
        for step in plan.steps:
            progress = self._start(step)
            try:
                self._attempt(progress, handlers[step.action].do)
            except ViaductError as error:
                self._undo([*done, progress], handlers, error)
                raise
            done.append(progress)

    def perform(self, step: Step, action: Action) -> None:
        """Carry out one step that nothing undoes."""
        self._attempt(self._start(step), action)

    @property
    def seconds(self) -> float:
        """Since the run began."""
        return self.clock.monotonic() - self._began

    def _start(self, step: Step) -> _Progress:
        self._upcoming = [s for s in self._upcoming if s.id != step.id]
        self._begun += 1
        return _Progress(step, self._begun, self.clock.monotonic())

    def _attempt(self, progress: _Progress, action: Action) -> None:
        while True:
            progress.attempts += 1
            self._move(progress, StepState.RUNNING)
            if progress.attempts == 1:
                following = self._upcoming[0].title if self._upcoming else ""
                self._tell(EventKind.STEP_STARTED, progress, following)
            try:
                action(progress.step, lambda text: self._tell(EventKind.STEP_PROGRESS, progress, text))
            except ViaductError as error:
                if not self.retry.allows(progress.attempts, error):
                    self._fail(progress, error.sentence)
                    raise
                self._again(progress, error)
            except Exception as error:
                self._fail(progress, f"unexpected {type(error).__name__}")
                raise
            else:
                self._move(progress, StepState.DONE)
                self._tell(EventKind.STEP_DONE, progress)
                return

    def _again(self, progress: _Progress, error: ViaductError) -> None:
        delay = self.retry.delay(progress.attempts)
        self._move(progress, StepState.RETRYING, error.sentence)
        text = f"{error.sentence} Trying again in {delay:.0f} s ({progress.attempts + 1}. attempt)."
        self._tell(EventKind.STEP_RETRIED, progress, text)
        self.clock.sleep(delay)

    def _fail(self, progress: _Progress, sentence: str) -> None:
        self._move(progress, StepState.FAILED, sentence)
        self._tell(EventKind.STEP_FAILED, progress, sentence)

    def _undo(self, made: list[_Progress], handlers: Mapping[str, Handler], cause: ViaductError) -> None:
        for progress in reversed(made):
            undo = handlers[progress.step.action].undo
            if undo is None:
                return
            try:
                undo(progress.step, lambda text: None)
            except ViaductError as error:
                text = f"could not be undone: {error.sentence} Running the command again goes on."
                self._tell(EventKind.STEP_UNDONE, progress, text)
                return
            self._move(progress, StepState.UNDONE, cause.sentence)
            self._tell(EventKind.STEP_UNDONE, progress)

    def _move(self, progress: _Progress, state: StepState, error: str = "") -> None:
        progress.state = moved(progress.state, state)
        self.journal.step_moved(
            self.id,
            progress.position,
            progress.step,
            state,
            progress.attempts,
            self.redact(error),
            self.clock.now(),
        )

    def _end(self, state: RunState, error: str) -> None:
        self.journal.run_ended(self.id, state, self.redact(error), self.clock.now())
        kind = EventKind.RUN_DONE if state is RunState.DONE else EventKind.RUN_FAILED
        self._emit(kind, title=self.command, text=error, seconds=self.seconds)

    def _tell(self, kind: EventKind, progress: _Progress, text: str = "") -> None:
        self._emit(
            kind,
            step=progress.step.id,
            title=progress.step.title,
            text=text,
            seconds=self.clock.monotonic() - progress.began,
            position=progress.position,
        )

    def _emit(
        self,
        kind: EventKind,
        *,
        step: str = "",
        title: str = "",
        text: str = "",
        seconds: float = 0.0,
        position: int = 0,
    ) -> None:
        self.sink(
            Event(
                kind=kind,
                run=self.id,
                at=self.clock.now(),
                step=step,
                title=title,
                text=self.redact(text),
                seconds=round(seconds, 3),
                position=position,
                total=self._begun + len(self._upcoming),
            )
        )


def new_run_id(now: datetime) -> str:
    """Sortable by time, unique: ``20261120-095501-1a2b``."""
    return f"{now:%Y%m%d-%H%M%S}-{secrets.token_hex(2)}"
