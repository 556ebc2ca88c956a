"""Names and switch settings of fabric ports: pure."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

MTU = 9000
"""Of every link in the fabric. A userspace switch pays per packet: with 1500 bytes, uploads through it took
three times as long."""
NAME_LIMIT = 15  # IFNAMSIZ without the closing zero


@dataclass(frozen=True)
class Attachment:
    """How a port joins a distributed switch.

    ``vlan`` is the access VLAN (0: untagged); with ``trunk`` all VLANs pass, tagged, as on a port
    group with a VLAN trunk range of 0-4094.
    """

    switch: str
    vlan: int = 0
    trunk: bool = False


def port_name(owner: str, index: int) -> str:
    """Interface name of adapter ``index`` of ``owner`` in the fabric, at most 15 characters."""
    return fitted(f"{owner}.{index}")


def bridge_name(switch: str) -> str:
    """Interface name of the bridge that stands for a distributed switch."""
    safe = all(c.isascii() and (c.isalnum() or c in "-_.") for c in switch)
    return fitted(switch) if safe and switch not in ("", ".", "..", "lo") else _digest(switch)


def fitted(name: str) -> str:
    """``name`` if it fits an interface name, else a stable short form of it."""
    return name if len(name) <= NAME_LIMIT else _digest(name)


def vlan_settings(attachment: Attachment) -> tuple[str, ...]:
    """Columns of an Open vSwitch port for ``attachment`` (as ``ovs-vsctl set port`` takes them)."""
    if attachment.trunk:
        return ("tag=[]", "trunks=[]", "vlan_mode=trunk")
    return (f"tag={attachment.vlan}", "trunks=[]", "vlan_mode=access")


def _digest(name: str) -> str:
    return "h" + hashlib.sha256(name.encode()).hexdigest()[: NAME_LIMIT - 1]
