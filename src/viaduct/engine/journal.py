"""States of steps and runs, and what the engine writes down of them."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Protocol

from viaduct.model.event import Event
from viaduct.model.plan import Step


class StepState(StrEnum):
    """Where a step stands."""

    PENDING = "pending"
    RUNNING = "running"
    RETRYING = "retrying"
    DONE = "done"
    FAILED = "failed"
    UNDONE = "undone"


class RunState(StrEnum):
    """Where a run stands. A run whose process died is found ``running`` and then marked ``interrupted``."""

    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    INTERRUPTED = "interrupted"


TRANSITIONS: dict[StepState, frozenset[StepState]] = {
    StepState.PENDING: frozenset({StepState.RUNNING}),
    StepState.RUNNING: frozenset({StepState.DONE, StepState.FAILED, StepState.RETRYING}),
    StepState.RETRYING: frozenset({StepState.RUNNING}),
    StepState.DONE: frozenset({StepState.UNDONE}),
    StepState.FAILED: frozenset({StepState.UNDONE}),
    StepState.UNDONE: frozenset(),
}


def moved(old: StepState, new: StepState) -> StepState:
    """``new``, if the table allows it after ``old``; else ``ValueError`` (a defect of the engine)."""
    if new not in TRANSITIONS[old]:
        raise ValueError(f"a step cannot go from {old} to {new}")
    return new


class Journal(Protocol):
    """Where a run is written down. Every call is durable when it returns."""

    def run_started(self, run: str, cloud: str, command: str, pid: int, at: datetime) -> None: ...

    def run_ended(self, run: str, state: str, error: str, at: datetime) -> None: ...

    def step_moved(
        self,
        run: str,
        position: int,
        step: Step,
        state: str,
        attempts: int,
        error: str,
        at: datetime,
    ) -> None: ...

    def event(self, event: Event) -> None: ...
