"""Decide what has to change so that the switch holds what Neutron wants. Pure: no I/O.

Port groups without our mark, or with another cloud's, are never touched: no action names them.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TypeAlias

from viaduct_drivers.neutron.portgroup import FoundPortGroup, WantedPortGroup


@dataclass(frozen=True)
class Create:
    """A network has no port group."""

    wanted: WantedPortGroup


@dataclass(frozen=True)
class Update:
    """A port group differs from its network; `changes` names the fields."""

    found: FoundPortGroup
    wanted: WantedPortGroup
    changes: tuple[str, ...]


@dataclass(frozen=True)
class Delete:
    """A port group of ours has no network, or is a second one of the same network, and nothing uses it."""

    found: FoundPortGroup
    reason: str


@dataclass(frozen=True)
class Report:
    """A port group of ours that should not be there, but is in use: a person has to look."""

    found: FoundPortGroup
    reason: str


Action: TypeAlias = Create | Update | Delete | Report

ORPHAN = "its network does not exist in Neutron"
DUPLICATE = "another port group already carries this network"


def changes(found: FoundPortGroup, wanted: WantedPortGroup) -> tuple[str, ...]:
    """Name the fields in which a port group differs from what is wanted."""
    pairs = {
        "name": (found.name, wanted.name),
        "description": (found.description, wanted.description),
        "vlan": (found.vlan, wanted.vlan),
        "port_security": (found.port_security, wanted.port_security),
        "blocked": (found.blocked, wanted.blocked),
    }
    return tuple(field for field, (is_now, shall_be) in pairs.items() if is_now != shall_be)


def plan(
    cloud: str, wanted: Iterable[WantedPortGroup], found: Iterable[FoundPortGroup]
) -> tuple[Action, ...]:
    """Compare and decide.

    Deletions come first (they free names), then updates, then creations, then reports; inside each group
    the order is by name, so that equal inputs give equal plans.
    """
    ours: dict[str, list[FoundPortGroup]] = defaultdict(list)
    for group in found:
        if group.mark is not None and group.mark.cloud == cloud:
            ours[group.mark.network_id].append(group)
    shall = {group.network_id: group for group in wanted}

    creates = [Create(group) for network_id, group in shall.items() if network_id not in ours]
    updates: list[Update] = []
    surplus: list[tuple[FoundPortGroup, str]] = []
    for network_id, groups in ours.items():
        target = shall.get(network_id)
        if target is None:
            surplus += [(group, ORPHAN) for group in groups]
            continue
        kept = _keep(groups, target)
        surplus += [(group, DUPLICATE) for group in groups if group is not kept]
        if differing := changes(kept, target):
            updates.append(Update(kept, target, differing))

    surplus.sort(key=lambda item: (item[0].name, item[0].moid))
    return (
        *(Delete(group, reason) for group, reason in surplus if not group.in_use),
        *sorted(updates, key=lambda action: action.wanted.name),
        *sorted(creates, key=lambda action: action.wanted.name),
        *(Report(group, reason) for group, reason in surplus if group.in_use),
    )


def _keep(groups: list[FoundPortGroup], target: WantedPortGroup) -> FoundPortGroup:
    """Of several port groups of one network keep the one in use, then the one that differs least."""
    return min(groups, key=lambda group: (not group.in_use, len(changes(group, target)), group.moid))
