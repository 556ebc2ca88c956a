"""What the agent tells the manager."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Mapping

ALIVE_EVERY = 2.0


class Failed(Exception):
    """A part of the state could not be reached. ``event`` says so to the manager."""

    def __init__(self, wave: str, part: str, text: str, detail: str = "") -> None:
        super().__init__(text)
        self.wave, self.part, self.text, self.detail = wave, part, text, detail

    def event(self) -> dict[str, str]:
        """As an event."""
        return {
            "event": "failed",
            "wave": self.wave,
            "part": self.part,
            "text": self.text,
            "detail": self.detail,
        }


def emit(event: Mapping[str, object]) -> None:
    """Tell the manager. If it has gone, so does this run (BrokenPipeError)."""
    sys.stdout.write(json.dumps(event) + "\n")
    sys.stdout.flush()


def since(begin: float) -> float:
    """Seconds since a moment of the monotonic clock, for an event."""
    return round(time.monotonic() - begin, 1)


class Pulse:
    """Says now and then that this run is alive, which also finds out whether anybody still listens."""

    def __init__(self) -> None:
        self._last = time.monotonic()

    def beat(self) -> None:
        """To be called in every loop that waits."""
        if time.monotonic() - self._last > ALIVE_EVERY:
            self._last = time.monotonic()
            emit({"event": "alive"})
