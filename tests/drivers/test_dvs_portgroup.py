"""Names, marks and descriptions of port groups."""

from __future__ import annotations

import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

from viaduct_drivers.neutron.portgroup import (
    NAME_LIMIT,
    Mark,
    describe,
    port_group_name,
    read_mark,
    valid_cloud,
    wanted_port_group,
)
from viaduct_drivers.neutron.segments import UnsupportedSegment, our_segment

NETWORK = "0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0"


@pytest.mark.parametrize(
    ("prefix", "network_name", "name"),
    [
        ("c1", "web", f"c1-web-{NETWORK}"),
        ("c1", "", f"c1-{NETWORK}"),
        ("", "", NETWORK),
        ("c1", "front end/α%\\", f"c1-front-end-{NETWORK}".replace("end--", "end-")),
        ("c1", "x" * 300, f"c1-{'x' * 40}-{NETWORK}"),
        ("a-very-long-prefix-that-is-cut", "web", f"a-very-long-prefix-t-web-{NETWORK}"),
    ],
)
def test_name(prefix: str, network_name: str, name: str) -> None:
    assert port_group_name(prefix, network_name, NETWORK) == name


@given(st.text(max_size=400), st.text(max_size=60), st.uuids(), st.uuids())
def test_names_fit_and_never_collide(
    network_name: str, prefix: str, one: uuid.UUID, other: uuid.UUID
) -> None:
    first = port_group_name(prefix, network_name, str(one))
    assert len(first) <= NAME_LIMIT
    assert first.endswith(str(one))
    assert not set(first) & set("/\\%")
    if one != other:
        assert first != port_group_name(prefix, network_name, str(other))


@given(st.from_regex(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,20}", fullmatch=True), st.uuids(), st.text(max_size=300))
def test_a_mark_is_read_back_whatever_the_network_is_called(
    cloud: str, network: uuid.UUID, name: str
) -> None:
    mark = Mark(cloud, str(network))
    description = describe(mark, name)
    assert read_mark(description) == mark
    assert len(description) <= 255
    assert valid_cloud(cloud)


@pytest.mark.parametrize(
    "description",
    [
        "",
        "made by hand",
        f"see viaduct:c1:{NETWORK}",
        f"viaduct:c1:{NETWORK}0",
        f"viaduct::{NETWORK}",
        "viaduct:c1:web",
        f"VIADUCT:c1:{NETWORK}",
    ],
)
def test_no_mark(description: str) -> None:
    assert read_mark(description) is None


@pytest.mark.parametrize("cloud", ["", "a:b", "a b", "-a", "x" * 64, "ä"])
def test_a_cloud_that_cannot_stand_in_a_mark(cloud: str) -> None:
    assert not valid_cloud(cloud)


def test_a_flat_network_is_untagged_and_a_network_that_is_down_is_blocked() -> None:
    group = wanted_port_group(
        cloud="c1",
        prefix="c1",
        network_id=NETWORK,
        network_name="flat",
        vlan=None,
        port_security=False,
        admin_state_up=False,
    )
    assert (group.vlan, group.port_security, group.blocked) == (0, False, True)


def _segment(physical: str | None, kind: str = "vlan", tag: int | None = 7) -> dict[str, object]:
    return {"physical_network": physical, "network_type": kind, "segmentation_id": tag}


def test_our_segment() -> None:
    ours = _segment("dvs", tag=9)
    assert our_segment([_segment("other"), ours, _segment(None, "vxlan")], "dvs") is ours
    assert our_segment([_segment("other")], "dvs") is None
    flat = _segment("dvs", "flat", None)
    assert our_segment([flat], "dvs") is flat


@pytest.mark.parametrize(
    ("segments", "named"),
    [([_segment("dvs"), _segment("dvs", tag=8)], "not 2"), ([_segment("dvs", "vxlan")], "not vxlan")],
)
def test_segments_that_a_switch_cannot_carry(segments: list[dict[str, object]], named: str) -> None:
    with pytest.raises(UnsupportedSegment, match=named):
        our_segment(segments, "dvs")
