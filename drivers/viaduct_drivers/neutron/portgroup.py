"""What a port group is to us: as Neutron wants it, as vCenter has it, and how we know our own."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

NAME_LIMIT: Final = 80
"""Characters that vCenter allows in the name of a managed entity."""

VLAN_NONE: Final = 0
"""VLAN id of an untagged port group."""

_UUID = r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
_CLOUD = r"[A-Za-z0-9][A-Za-z0-9_.-]{0,62}"
_MARK = re.compile(rf"viaduct:(?P<cloud>{_CLOUD}):(?P<network>{_UUID})(?=\s|$)")
# vCenter escapes / \ % in names; other signs only make names hard to type.
_UNWANTED = re.compile(r"[^A-Za-z0-9._-]+")


@dataclass(frozen=True)
class Mark:
    """Ownership mark in a port group's description."""

    cloud: str
    network_id: str

    def text(self) -> str:
        """The mark as it stands in the description."""
        return f"viaduct:{self.cloud}:{self.network_id}"


@dataclass(frozen=True)
class WantedPortGroup:
    """The port group that a Neutron network asks for.

    `vlan` is 0 (untagged) to 4094. `port_security` false lets guests send and receive frames of other
    MAC addresses; `blocked` stops all traffic (the network's admin_state_up is false).
    """

    network_id: str
    name: str
    description: str
    vlan: int
    port_security: bool = True
    blocked: bool = False


@dataclass(frozen=True)
class FoundPortGroup:
    """A port group that stands on the switch.

    `key` is the port group key (Nova's `pg_id`), `moid` its managed object id; in practice they are equal,
    by contract they are not. `vlan` is None where it is a trunk or a private VLAN. `mark` is None for a
    port group that no Viaduct made.
    """

    moid: str
    key: str
    name: str
    description: str
    vlan: int | None
    port_security: bool
    blocked: bool
    in_use: bool
    mark: Mark | None


def valid_cloud(cloud: str) -> bool:
    """Tell whether `cloud` can stand in a mark: 1 to 63 letters, digits, `_`, `.`, `-`."""
    return re.fullmatch(_CLOUD, cloud) is not None


def read_mark(description: str) -> Mark | None:
    """Find the ownership mark at the start of a description."""
    match = _MARK.match(description)
    return Mark(match["cloud"], match["network"]) if match else None


def describe(mark: Mark, network_name: str) -> str:
    """Write a description that starts with the mark and tells a vSphere administrator what this is."""
    shown = _UNWANTED.sub(" ", network_name).strip()[:100]
    return f"{mark.text()} OpenStack network {shown or '(no name)'}. Managed by Viaduct, do not edit."


def port_group_name(prefix: str, network_name: str, network_id: str) -> str:
    """Derive a unique and readable name of at most 80 characters.

    The network's id always stands whole at the end, so that names never collide and so that Nova's own
    lookup by network id finds the port group too.
    """
    head = _UNWANTED.sub("-", prefix).strip("-.")[:20]
    room = NAME_LIMIT - len(network_id) - len(head) - 2
    middle = _UNWANTED.sub("-", network_name)[:room].strip("-.")
    return "-".join(part for part in (head, middle, network_id) if part)


def wanted_port_group(
    *,
    cloud: str,
    prefix: str,
    network_id: str,
    network_name: str,
    vlan: int | None,
    port_security: bool,
    admin_state_up: bool,
) -> WantedPortGroup:
    """Turn the facts of a Neutron network into the port group that it asks for."""
    return WantedPortGroup(
        network_id=network_id,
        name=port_group_name(prefix, network_name, network_id),
        description=describe(Mark(cloud, network_id), network_name),
        vlan=vlan or VLAN_NONE,
        port_security=port_security,
        blocked=not admin_state_up,
    )
