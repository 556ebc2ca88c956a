"""Judging service lists and catalogs, as tables."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from viaduct.openstack.catalog import INTERFACES, REQUIRED, missing
from viaduct.openstack.readiness import COMPUTE, VOLUME, has_capacity, states, waiting_for

ALL_UP = {f"{binary}@node1": True for binary in (*COMPUTE, *VOLUME)}


@pytest.mark.parametrize(
    ("up", "expected"),
    [
        (ALL_UP, ()),
        ({}, (*COMPUTE, *VOLUME)),
        ({**ALL_UP, "nova-compute@node1": False}, ("nova-compute@node1",)),
        ({**ALL_UP, "nova-compute@other": False}, ("nova-compute@other",)),
        ({k: v for k, v in ALL_UP.items() if "volume" not in k}, ("cinder-volume",)),
    ],
)
def test_what_is_waited_for(up: dict[str, bool], expected: tuple[str, ...]) -> None:
    assert waiting_for(up) == expected


def test_states_are_by_binary_and_host() -> None:
    listed = [
        SimpleNamespace(binary="nova-compute", host="compute", state="up"),
        SimpleNamespace(binary="nova-scheduler", host="node1", state="DOWN"),
    ]
    assert states(listed) == {"nova-compute@compute": True, "nova-scheduler@node1": False}


@pytest.mark.parametrize(
    ("inventories", "expected"),
    [([], False), ([("VCPU", 0)], False), ([("DISK_GB", 9)], False), ([("DISK_GB", 9), ("VCPU", 8)], True)],
)
def test_capacity(inventories: list[tuple[str, int]], expected: bool) -> None:
    assert has_capacity(SimpleNamespace(resource_class=c, total=t) for c, t in inventories) is expected


def test_what_the_catalog_lacks() -> None:
    services = [SimpleNamespace(id=t, type=t) for t in REQUIRED]
    endpoints = [SimpleNamespace(service_id=t, interface=i) for t in REQUIRED for i in INTERFACES]
    assert missing(services, endpoints) == ()
    fewer = [e for e in endpoints if (e.service_id, e.interface) != ("image", "internal")]
    assert missing(services, fewer) == ("image/internal",)
    assert len(missing([], [])) == len(REQUIRED) * len(INTERFACES)
