"""The guests of a lab as its commands see them: who runs, and ending them."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from typing import Any

from viaduct_lab.guests import cgroups
from viaduct_lab.guests.nspawn import NspawnRuntime
from viaduct_lab.guests.runtime import GuestError
from viaduct_lab.host import processes
from viaduct_lab.lab import blueprint, lost
from viaduct_lab.lab.errors import GuestsLeft
from viaduct_lab.lab.record import LabPaths, LabRecord

_SHUTDOWN_SECONDS = 45.0


class Guests:
    """The guests of ``lab``; none when it was made without."""

    def __init__(
        self, lab: LabRecord, paths: LabPaths, say: Callable[[str], None] = lambda line: None
    ) -> None:
        self._lab = lab
        self._paths = paths
        self._say = say

    def states(self) -> list[dict[str, Any]]:
        """What runs, as data."""
        if not self._lab.guests or not self._paths.guests.is_dir():
            return []
        runtime = self._runtime()
        found = []
        for path in sorted(self._paths.guests.iterdir()):
            state = runtime.status(path.name)
            if state.state != "off":
                addresses = [a for listed in state.addresses.values() for a in listed]
                entry = {
                    "id": path.name,
                    "name": state.hostname,
                    "state": state.state,
                    "addresses": addresses,
                }
                found.append({**entry, "tools_running": state.tools_running})
        return found

    def stop(self, *, orderly: bool) -> None:
        """End them all; ``orderly``: they are asked first, and switched on again at the next start.

        Raises :class:`GuestsLeft`.
        """
        if not self._lab.guests:
            return
        runtime = self._runtime()
        running = runtime.adopt()
        if orderly:
            lost.remember(self._paths, running)
            self._shut_down(runtime, running)
        for vm_id in running:
            try:
                runtime.stop(vm_id)
            except GuestError as error:
                raise GuestsLeft(
                    f"Guest {vm_id} does not end: {error}.", f"Look at {self._paths.guests}."
                ) from error
        runtime.adopt()
        self._remove_group()

    def _runtime(self) -> NspawnRuntime:
        return NspawnRuntime(blueprint.vcenter_config(self._lab, self._paths))

    def _shut_down(self, runtime: NspawnRuntime, vm_ids: tuple[str, ...]) -> None:
        waiting = set(vm_ids)
        if waiting:
            self._say(f"guests: shutting down {', '.join(sorted(waiting))}")
        for vm_id in sorted(waiting):
            with contextlib.suppress(GuestError):
                if runtime.status(vm_id).state == "suspended":
                    waiting.discard(vm_id)
                else:
                    runtime.shutdown(vm_id)
        deadline = time.monotonic() + _SHUTDOWN_SECONDS
        while waiting and time.monotonic() < deadline:
            waiting = {v for v in waiting if processes.is_held(self._paths.guests / v / "lock")}
            time.sleep(0.05)

    def _remove_group(self) -> None:
        """Remove the lab's own, now empty, control groups."""
        for mount in cgroups.machine_layout().mounts.values():
            with contextlib.suppress(OSError):
                (mount / f"viaduct-{self._lab.id}").rmdir()
