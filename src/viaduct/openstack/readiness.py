"""Whether a cloud's services are there and up: pure judgement over what the APIs list."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

COMPUTE = ("nova-conductor", "nova-scheduler", "nova-compute")
VOLUME = ("cinder-scheduler", "cinder-volume")


def states(services: Iterable[Any]) -> dict[str, bool]:
    """``binary@host`` -> whether it is up, of Nova's or Cinder's service list."""
    return {f"{s.binary}@{s.host}": str(s.state).lower() == "up" for s in services}


def waiting_for(up: Mapping[str, bool]) -> tuple[str, ...]:
    """What is not there or not up yet: a service that is listed as down, or a kind that is not listed."""
    listed = {name.partition("@")[0] for name in up}
    absent = [binary for binary in (*COMPUTE, *VOLUME) if binary not in listed]
    return (*absent, *(name for name, is_up in up.items() if not is_up))


def has_capacity(inventories: Iterable[Any]) -> bool:
    """Whether placement knows processors of a hypervisor."""
    return any(i.resource_class == "VCPU" and i.total for i in inventories)
