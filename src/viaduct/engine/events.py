"""Where events go."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

from viaduct.model.event import Event, EventKind

Sink = Callable[[Event], None]


def fan_out(*sinks: Sink) -> Sink:
    """A sink that hands each event to all of ``sinks``, in order."""

    def emit(event: Event) -> None:
        for sink in sinks:
            sink(event)

    return emit


def without_progress(sink: Sink) -> Sink:
    """``sink`` for all but progress within steps (too many to be kept in the database)."""

    def emit(event: Event) -> None:
        if event.kind is not EventKind.STEP_PROGRESS:
            sink(event)

    return emit


class LogFile:
    """A run's log: one JSON object a line. Best effort: a full disk must not stop a run here."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __call__(self, event: Event) -> None:
        described = {k: v for k, v in asdict(event).items() if v not in ("", 0, 0.0)}
        self._write({**described, "at": event.at.isoformat(), "kind": str(event.kind)})

    def note(self, kind: str, text: str) -> None:
        """Write down what is no event: a traceback, the detail of an error, a library's warning."""
        self._write({"kind": kind, "text": text})

    def _write(self, line: dict[str, object]) -> None:
        try:
            self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            with self.path.open("a", encoding="utf-8") as file:
                file.write(json.dumps(line) + "\n")
        except OSError as error:
            logging.getLogger(__name__).debug("log file: %s", error)
