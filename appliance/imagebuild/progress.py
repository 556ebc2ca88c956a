"""Live progress of a build: one event when a step starts and one when it ends."""

from __future__ import annotations

import json
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import IO


class Reporter:
    """Writes events to `stream`: JSON lines, or lines for people. Safe to use from several threads."""

    def __init__(self, as_json: bool, stream: IO[str] | None = None) -> None:
        self._json = as_json
        self._stream = stream if stream is not None else sys.stdout
        self._lock = threading.Lock()
        self._begin = time.monotonic()

    def emit(
        self,
        step: str,
        title: str,
        state: str,
        seconds: float = 0.0,
        details: Mapping[str, str] | None = None,
    ) -> None:
        """Write one event.

        `state` is started, done, failed, cached or warning; `seconds` is how long the step took; `details`
        are further keys of the JSON form.
        """
        with self._lock:
            if self._json:
                event = {"step": step, "title": title, "state": state, "seconds": round(seconds, 2)}
                print(json.dumps({**event, **(details or {})}), file=self._stream, flush=True)
                return
            spent = f" ({seconds:.1f} s)" if state in ("done", "failed") else ""
            clock = time.monotonic() - self._begin
            print(f"[{clock:6.1f}s] {state:<8} {title}{spent}", file=self._stream, flush=True)

    @contextmanager
    def step(self, step: str, title: str) -> Iterator[None]:
        """Report the enclosed work as one step."""
        begin = time.monotonic()
        self.emit(step, title, "started")
        try:
            yield
        except BaseException:
            self.emit(step, title, "failed", time.monotonic() - begin)
            raise
        self.emit(step, title, "done", time.monotonic() - begin)
