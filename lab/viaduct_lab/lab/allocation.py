"""Choosing a lab's id and address ranges: pure, but for :func:`machine_routes`."""

from __future__ import annotations

import json
import secrets
from collections.abc import Collection, Iterable
from ipaddress import IPv4Address, IPv4Network

from viaduct_lab.host.commands import run
from viaduct_lab.lab.errors import AddressesTaken

_FIRST, _LAST = 64, 126


def new_id(taken: Collection[str]) -> str:
    """A short id that is not in ``taken``."""
    while (candidate := secrets.token_hex(2)) in taken:
        pass
    return candidate


def networks(lab_id: str, routed: Iterable[IPv4Network]) -> tuple[IPv4Network, IPv4Network]:
    """Management and external network: ``10.N.0.0/24`` and ``10.N.1.0/24`` with N from 64 to 126.

    Neither overlaps a network in ``routed``. The search begins where ``lab_id`` says, so that a lab that
    does not run at the moment seldom meets its addresses taken later. Raises :class:`AddressesTaken`.
    """
    used = tuple(routed)
    count = _LAST - _FIRST + 1
    start = int(lab_id, 16) % count
    for step in range(count):
        second = _FIRST + (start + step) % count
        pair = IPv4Network(f"10.{second}.0.0/24"), IPv4Network(f"10.{second}.1.0/24")
        if not any(network.overlaps(route) for network in pair for route in used):
            return pair
    raise AddressesTaken(
        f"No range 10.{_FIRST}-{_LAST}.0.0/23 is free on this machine: all overlap its routes.",
        "Look at 'ip route': a VPN may cover 10.0.0.0/8. Disconnect it, or use another machine.",
    )


def host_addresses(management: IPv4Network, count: int, first: int) -> tuple[str, ...]:
    """``count`` addresses of ESXi hosts on the management network, from the ``first``-th on."""
    return tuple(str(management.network_address + first + i) for i in range(count))


def gateway(management: IPv4Network) -> IPv4Address:
    """The vCenter's address."""
    return management.network_address + 1


def own(network: IPv4Network) -> IPv4Address:
    """The machine's own address on one of the lab's networks."""
    return network.broadcast_address - 1


def machine_routes(besides: Collection[str]) -> tuple[IPv4Network, ...]:
    """Networks that this machine routes somewhere, default routes and interfaces ``besides`` left out."""
    found = []
    for route in json.loads(run("ip", "-j", "-4", "route", "show", "table", "all") or "[]"):
        destination = str(route.get("dst", "default"))
        if (
            destination == "default"
            or route.get("dev") in besides
            or route.get("type") in ("broadcast", "multicast")
        ):
            continue
        network = IPv4Network(destination, strict=False)
        if network.prefixlen > 1:  # 0.0.0.0/1 and 128.0.0.0/1: a VPN's way to write "default"
            found.append(network)
    return tuple(found)
