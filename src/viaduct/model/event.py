"""Events: what happens while a plan is carried out. CLI, journal, API and UI show the same stream."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class EventKind(StrEnum):
    """What an event tells."""

    RUN_STARTED = "run-started"
    STEP_STARTED = "step-started"
    STEP_PROGRESS = "step-progress"
    STEP_RETRIED = "step-retried"
    STEP_DONE = "step-done"
    STEP_FAILED = "step-failed"
    STEP_UNDONE = "step-undone"
    RUN_DONE = "run-done"
    RUN_FAILED = "run-failed"


@dataclass(frozen=True)
class Event:
    """One line of a run's story.

    ``seconds`` is the elapsed time of the step (or run); ``position`` counts steps from 1 to ``total``.
    """

    kind: EventKind
    run: str
    at: datetime
    step: str = ""
    title: str = ""
    text: str = ""
    seconds: float = 0.0
    position: int = 0
    total: int = 0
