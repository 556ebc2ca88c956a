"""Showing a run while it goes on: live on a terminal, one line an event elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

from viaduct.model.event import Event, EventKind

if TYPE_CHECKING:
    from pathlib import Path

    from viaduct.engine.events import Sink


@contextmanager
def shown(*, verbose: bool) -> Iterator[Sink]:
    """A sink that shows events on standard error while the block runs."""
    if sys.stderr.isatty() and not verbose:
        from viaduct.cli.live import Live

        with Live() as live:
            yield live.take
    else:
        yield Plain(verbose=verbose).take


class Plain:
    """One line an event. Progress within a step is shown at most every few seconds, unless verbose."""

    QUIET_SECONDS = 5.0

    def __init__(self, *, verbose: bool) -> None:
        self._verbose = verbose
        self._last = 0.0

    def take(self, event: Event) -> None:
        """Show an event."""
        if event.kind is EventKind.STEP_PROGRESS and not self._is_due():
            return
        text = line_of(event)
        if text:
            self._last = time.monotonic()
            click.echo(text, err=True)

    def _is_due(self) -> bool:
        return self._verbose or time.monotonic() - self._last >= self.QUIET_SECONDS


def line_of(event: Event) -> str:
    """An event as one line; empty for one that says nothing to a person."""
    place = f"{event.position:>2}/{event.total} {event.title}"
    spent = f"{event.seconds:.1f} s"
    match event.kind:
        case EventKind.STEP_STARTED:
            return f"{place} (next: {event.text})" if event.text else place
        case EventKind.STEP_PROGRESS:
            return f"      {event.text} ({spent})"
        case EventKind.STEP_RETRIED:
            return f"{place}: {event.text}"
        case EventKind.STEP_DONE:
            return f"{place}: done in {spent}"
        case EventKind.STEP_FAILED:
            return f"{place}: failed after {spent}"
        case EventKind.STEP_UNDONE:
            return f"{place}: {event.text or 'undone'}"
        case _:
            return ""


def say_log(path: Path | None) -> None:
    """Tell where the run's log is."""
    if path:
        click.echo(f"log: {path}", err=True)
