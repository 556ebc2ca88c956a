"""Port groups for tests."""

from __future__ import annotations

import itertools
import uuid
from dataclasses import replace

from viaduct_drivers.neutron.errors import PortGroupInUse
from viaduct_drivers.neutron.portgroup import FoundPortGroup, Mark, WantedPortGroup, wanted_port_group

CLOUD = "c1"
WEB, DB, OLD = (str(uuid.uuid5(uuid.NAMESPACE_DNS, name)) for name in ("web", "db", "old"))


def wanted(network_id: str, name: str = "net", vlan: int = 1000, **facts: bool) -> WantedPortGroup:
    """What cloud c1's network wants."""
    return wanted_port_group(
        cloud=CLOUD,
        prefix=CLOUD,
        network_id=network_id,
        network_name=name,
        vlan=vlan,
        port_security=facts.get("port_security", True),
        admin_state_up=facts.get("admin_state_up", True),
    )


def standing(
    group: WantedPortGroup, *, cloud: str = CLOUD, in_use: bool = False, **differs: object
) -> FoundPortGroup:
    """The port group as vCenter would show it."""
    found = FoundPortGroup(
        moid=f"dvportgroup-{group.network_id[:4]}",
        key=f"dvportgroup-{group.network_id[:4]}",
        name=group.name,
        description=group.description,
        vlan=group.vlan,
        port_security=group.port_security,
        blocked=group.blocked,
        in_use=in_use,
        mark=Mark(cloud, group.network_id),
    )
    return replace(found, **differs)  # type: ignore[arg-type]


class MemorySwitch:
    """A switch that keeps its port groups in a dictionary."""

    def __init__(self, *groups: FoundPortGroup) -> None:
        self.groups = {group.moid: group for group in groups}
        self._ids = itertools.count(100)

    def port_groups(self) -> list[FoundPortGroup]:
        return list(self.groups.values())

    def find(self, network_id: str) -> FoundPortGroup | None:
        marked = (g for g in self.groups.values() if g.mark == Mark(CLOUD, network_id))
        return next(marked, None)

    def ensure(self, group: WantedPortGroup) -> FoundPortGroup:
        found = self.find(group.network_id)
        if found is not None:
            self.update(found, group)
            return self.groups[found.moid]
        moid = f"dvportgroup-{next(self._ids)}"
        self.groups[moid] = standing(group, moid=moid, key=moid)
        return self.groups[moid]

    create = ensure

    def update(self, found: FoundPortGroup, group: WantedPortGroup) -> None:
        self.groups[found.moid] = standing(group, moid=found.moid, key=found.key, in_use=found.in_use)

    def delete(self, found: FoundPortGroup) -> None:
        if found.in_use:
            raise PortGroupInUse(f"port group {found.name} is in use by virtual machines")
        self.groups.pop(found.moid, None)

    def uuid(self) -> str:
        return "50 0a 11 22 33 44 55 66-77 88 99 aa bb cc dd ee"


class MemoryNetworks:
    """Neutron's networks as a list that a test may change between reads."""

    def __init__(self, *groups: WantedPortGroup) -> None:
        self.groups = {group.network_id: group for group in groups}

    def all(self) -> list[WantedPortGroup]:
        return list(self.groups.values())

    def get(self, network_id: str) -> WantedPortGroup | None:
        return self.groups.get(network_id)
