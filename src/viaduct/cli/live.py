"""The live display: finished steps, and below them the current one with its time and what comes next."""

from __future__ import annotations

import time
from types import TracebackType
from typing import Self

from rich.console import Console, Group
from rich.live import Live as RichLive
from rich.spinner import Spinner
from rich.text import Text

from viaduct.model.event import Event, EventKind


class Live:
    """Use as a context manager; :meth:`take` is the sink."""

    def __init__(self, console: Console | None = None) -> None:
        self._console = console or Console(stderr=True, highlight=False)
        self._began = time.monotonic()
        self._event: Event | None = None
        self._event_began = 0.0
        self._next = ""
        self._progress = ""
        self._frames = Spinner("dots" if self._console.encoding.startswith("utf") else "line").frames
        self._live = RichLive(self, console=self._console, refresh_per_second=6, transient=True)

    def __enter__(self) -> Self:
        self._live.__enter__()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._event = None
        self._live.__exit__(kind, error, trace)

    def take(self, event: Event) -> None:
        """Show an event."""
        match event.kind:
            case EventKind.STEP_STARTED:
                self._event, self._event_began = event, time.monotonic()
                self._next, self._progress = event.text, ""
            case EventKind.STEP_PROGRESS:
                self._progress = event.text
            case EventKind.STEP_RETRIED:
                self._progress = ""
                self._above("!", "yellow", event, event.text)
            case EventKind.STEP_DONE:
                self._event = None
                self._above("✓", "green", event, f"{event.seconds:.1f} s")
            case EventKind.STEP_FAILED:
                self._event = None
                self._above("✗", "red", event, f"failed after {event.seconds:.1f} s")
            case EventKind.STEP_UNDONE:
                self._above("↶", "yellow", event, event.text or "undone")
            case _:
                pass

    def __rich__(self) -> Group | Text:
        if self._event is None:
            return Text("")
        now = time.monotonic()
        line = Text.assemble(
            (self._frames[int(now * 8) % len(self._frames)], "cyan"),
            f" {self._event.position:>2}/{self._event.total} ",
            (self._event.title, "bold"),
            f" — {int(now - self._event_began)} s",
            (f" — next: {_lower(self._next)}" if self._next else "", "dim"),
            no_wrap=True,
            overflow="ellipsis",
        )
        detail = Text(
            f"        {_clock(now - self._began)} in all   {self._progress}",
            style="dim",
            no_wrap=True,
            overflow="ellipsis",
        )
        return Group(line, detail)

    def _above(self, mark: str, style: str, event: Event, text: str) -> None:
        if not self._console.encoding.startswith("utf"):
            mark = {"✓": "+", "✗": "x", "↶": "-"}.get(mark, mark)
        self._console.print(
            Text.assemble(
                (mark, style), f" {event.position:>2}/{event.total} {event.title}", (f"  {text}", "dim")
            )
        )


def _lower(title: str) -> str:
    return title[:1].lower() + title[1:]


def _clock(seconds: float) -> str:
    return f"{int(seconds) // 60}:{int(seconds) % 60:02d}"
