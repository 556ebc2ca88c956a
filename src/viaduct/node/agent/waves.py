"""Waves: units, then one-shots, then checks."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from .commands import Shell, shell
from .output import Failed, Pulse, emit, since
from .records import Manifest, Node
from .units import await_units, fail_if_broken, restarts, show, start_units

PROBE_TIMEOUT = 60.0
CHECK_PAUSE = 0.5
LOOK_EVERY = 2.0


def run_wave(node: Node, wave: Manifest, names: list[str], pulse: Pulse) -> None:
    """One wave.

    ``names``: all units that run on this node, any of which may break meanwhile. Raises Failed.
    """
    begin = time.monotonic()
    known = restarts(show(u["name"] for u in wave["units"]))
    start_units(node, wave)
    for one_shot in wave["one_shots"]:
        _run_one_shot(wave["name"], one_shot, pulse)
    await_units(wave, begin, pulse, known)
    if wave["checks"]:
        _Checks(wave, names).run(pulse)
    emit({"event": "wave", "name": wave["name"], "seconds": since(begin)})


def _run_one_shot(wave: str, one_shot: Mapping[str, Any], pulse: Pulse) -> None:
    """Nothing if its probe succeeds; else the command, after which the probe must succeed."""
    begin = time.monotonic()
    if shell(one_shot["probe"], PROBE_TIMEOUT, pulse)[0] == 0:
        return
    status, output = shell(one_shot["command"], one_shot["timeout"], pulse)
    name = one_shot["name"]
    if status is None:
        raise Failed(wave, name, f"'{name}' did not end within {one_shot['timeout']} s", output)
    if status:
        raise Failed(wave, name, f"'{name}' failed with exit status {status}", output)
    status, said = shell(one_shot["probe"], PROBE_TIMEOUT, pulse)
    if status != 0:
        text = f"'{name}' ended well, but has not had its effect"
        raise Failed(wave, name, text, f"{output}\n{said}".strip())
    emit({"event": "one-shot", "name": name, "seconds": since(begin)})


class _Checks:
    """A wave's checks side by side, each repeated until it passes."""

    def __init__(self, wave: Manifest, names: list[str]) -> None:
        self._wave = wave
        self._names = names
        self._waiting: list[Mapping[str, Any]] = list(wave["checks"])
        self._running: dict[str, Shell] = {}
        self._again: dict[str, float] = {}
        self._said: dict[str, str] = {}
        self._known = restarts(show(names))
        self._begin = time.monotonic()

    def run(self, pulse: Pulse) -> None:
        """Raises Failed when a check's time is up, or a unit turns out to be broken."""
        looked = self._begin
        try:
            while self._waiting:
                for check in list(self._waiting):
                    self._advance(check)
                if time.monotonic() - looked > LOOK_EVERY:
                    looked = time.monotonic()
                    fail_if_broken(self._wave["name"], show(self._names), self._known)
                pulse.beat()
                time.sleep(0.05)
        finally:
            for running in self._running.values():
                running.close()

    def _advance(self, check: Mapping[str, Any]) -> None:
        name, now = check["name"], time.monotonic()
        if name not in self._running:
            if now < self._again.get(name, 0):
                return
            self._running[name] = Shell(check["command"])
        running = self._running[name]
        status = running.status()
        if status == 0:
            emit({"event": "check", "name": name, "seconds": since(self._begin)})
            self._waiting.remove(check)
        elif now - self._begin > check["timeout"]:
            running.kill()
            text = f"'{name}' is not true after {check['timeout']} s"
            raise Failed(self._wave["name"], name, text, running.tail() or self._said.get(name, ""))
        elif status is not None:
            self._said[name] = running.tail()
            self._running.pop(name).close()
            self._again[name] = now + CHECK_PAUSE
