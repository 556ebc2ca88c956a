"""Which virtual machines are a cloud's. Pure: needs no Nova."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from viaduct_drivers.nova.ownership import CLOUD_KEY, own_instances


def _vm(uuid: str | None, cloud: str | None = None, state: str = "connected") -> Any:
    facts: dict[str, Any] = {"runtime.connectionState": state}
    if uuid is not None:
        facts['config.extraConfig["nvp.vm-uuid"]'] = SimpleNamespace(value=uuid)
    if cloud is not None:
        facts[f'config.extraConfig["{CLOUD_KEY}"]'] = SimpleNamespace(value=cloud)
    return SimpleNamespace(propSet=[SimpleNamespace(name=name, val=value) for name, value in facts.items()])


CLUSTER = [
    _vm("ours", "c1"),
    _vm("theirs", "c2"),
    _vm("of another Nova"),
    _vm(None),
    _vm("", "c1"),
    _vm("lost", "c1", "orphaned"),
    _vm("unreachable", "c1", "inaccessible"),
    SimpleNamespace(),
]


@pytest.mark.parametrize(
    ("cloud", "uuids"),
    [("c1", ["ours"]), ("c2", ["theirs"]), ("c3", []), (None, ["ours", "theirs", "of another Nova"])],
)
def test_own_instances(cloud: str | None, uuids: list[str]) -> None:
    assert own_instances(CLUSTER, cloud) == uuids
