"""Runs named steps inside the appliance and prints one JSON line for each: what pytest outside reads."""

from __future__ import annotations

import json
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any


class Steps:
    """Carries out steps in order; a failed step does not stop those that do not need its result."""

    def __init__(self) -> None:
        self.failed = 0

    def run(self, name: str, action: Callable[[], Any]) -> Any:
        """Run ``action``; print ``{"step", "ok", "seconds", "text"}``; return its result or None."""
        started = time.monotonic()
        result, text, ok = None, "", True
        try:
            result = action()
            text = "" if result is None else str(result)[:200]
        except Exception as error:
            ok, text = False, f"{type(error).__name__}: {error}\n{traceback.format_exc()[-3000:]}"
            self.failed += 1
        seconds = round(time.monotonic() - started, 3)
        print(json.dumps({"step": name, "ok": ok, "seconds": seconds, "text": text}), flush=True)
        return result


def settings() -> dict[str, Any]:
    """What the test outside wants: address, credentials, names and files (paths as seen inside)."""
    return json.loads(Path(sys.argv[1]).read_text())


def expect(condition: bool, text: str) -> None:
    """Fail the step with ``text`` unless ``condition`` holds."""
    if not condition:
        raise AssertionError(text)
