"""One verification in progress: its tenant, what it has made so far, and waiting for states."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from viaduct.model.site import Site
from viaduct.model.tenancy import FlavorSize, Server, Volume
from viaduct.services.verify.expectations import ExpectedVm, differences, places
from viaduct.services.verify.ports import InstanceInventory, Tenancy, Tenant

View = TypeVar("View")

_PAUSE = 0.3
"""Seconds between questions to OpenStack's APIs, which have no long poll."""

VCENTER_GRACE = 10.0
"""Seconds that vCenter may take to show what OpenStack has already reported."""

SMALL, LARGE = FlavorSize(1, 128, 1), FlavorSize(2, 256, 1)


class CheckFailed(Exception):
    """A check did not hold; the text says what was seen instead."""


@dataclass
class Run:
    """``ids``: what was made ("server", "image"...) -> its id; ``port_groups``: seen in use in vCenter."""

    project: str
    site: Site
    tenant: Tenant
    tenancy: Tenancy
    inventory: InstanceInventory
    scratch: Path
    ids: dict[str, str] = field(default_factory=dict)
    size: FlavorSize = SMALL
    mac: str = ""
    vlan: int = 0
    port_groups: set[str] = field(default_factory=set)
    pause: Callable[[float], None] = time.sleep
    clock: Callable[[], float] = time.monotonic

    def name(self, what: str) -> str:
        return f"{self.project}-{what}"

    def server(self, status: str, deadline: float) -> None:
        """Wait until the server has ``status`` and no task."""

        def judge(seen: Server | None) -> bool:
            if seen is None:
                raise CheckFailed("the server does not exist any more")
            if seen.status == "ERROR":
                raise CheckFailed(f"the server went into status ERROR: {seen.fault or 'no reason given'}")
            return seen.status == status and not seen.task

        self._until(
            lambda: self.tenant.server(self.ids["server"]),
            judge,
            deadline,
            lambda s: f"the server is still {s.status} ({s.task or 'no task'})" if s else "",
        )

    def volume(self, which: str, status: str, deadline: float) -> Volume:
        """Wait until a volume has ``status``."""

        def judge(seen: Volume | None) -> bool:
            if seen is None:
                raise CheckFailed("the volume does not exist any more")
            if seen.status.startswith("error"):
                raise CheckFailed(f"the volume went into status {seen.status}")
            return seen.status == status

        seen = self._until(
            lambda: self.tenant.volume(self.ids[which]),
            judge,
            deadline,
            lambda v: f"the volume is still {v.status}" if v else "",
        )
        assert seen is not None
        return seen

    def image(self, which: str, deadline: float) -> None:
        """Wait until an image is active."""

        def judge(seen: object) -> bool:
            status = getattr(seen, "status", "deleted")
            if status in ("killed", "deleted", "pending_delete", "deactivated"):
                raise CheckFailed(f"the image is {status}")
            return bool(status == "active")

        self._until(
            lambda: self.tenant.image(self.ids[which]),
            judge,
            deadline,
            lambda i: f"the image is still {i.status}" if i else "",
        )

    def gone(self, what: str, read: Callable[[], object], deadline: float) -> None:
        """Wait until ``read`` gives None."""
        self._until(read, lambda seen: seen is None, deadline, lambda seen: f"{what} is still there: {seen}")

    def vcenter(self, *, on: bool = True, volumes: tuple[int, ...] = ()) -> None:
        """Check that vCenter shows the server as it must be."""
        clusters, datastores = places(self.site)
        expected = ExpectedVm(clusters, datastores, self.size, self.mac, self.vlan, on, volumes)
        self.agree(lambda: differences(self.inventory.instance(self.ids["server"]), expected))

    def agree(self, differing: Callable[[], tuple[str, ...]], grace: float | None = None) -> None:
        """Check that nothing differs; what vCenter shows may lag a little behind."""
        end = self.clock() + (VCENTER_GRACE if grace is None else grace)
        while found := differing():
            if self.clock() >= end:
                raise CheckFailed(f"in vCenter {'; '.join(found)}")
            self.pause(_PAUSE)

    def _until(
        self,
        read: Callable[[], View],
        judge: Callable[[View], bool],
        deadline: float,
        pending: Callable[[View], str],
    ) -> View:
        while True:
            seen = read()
            if judge(seen):
                return seen
            if self.clock() >= deadline:
                raise CheckFailed(f"time is out: {pending(seen)}")
            self.pause(_PAUSE)
