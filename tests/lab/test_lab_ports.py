"""Names and VLAN settings of fabric ports."""

import pytest

from viaduct_lab.fabric.ports import Attachment, bridge_name, port_name, vlan_settings


def test_a_port_is_named_after_its_machine():
    assert port_name("vm-123", 0) == "vm-123.0"


def test_long_names_are_shortened_and_stay_distinct():
    names = {port_name("vm-1234567890123", i) for i in range(12)}
    assert len(names) == 12
    assert all(len(name) <= 15 for name in names)
    assert port_name("vm-1234567890123", 3) == port_name("vm-1234567890123", 3)


@pytest.mark.parametrize(
    ("switch", "kept"),
    [("dvs", True), ("dvs_2.a-b", True), ("a switch", False), ("très", False), ("lo", False), ("", False)],
)
def test_bridge_names(switch, kept):
    name = bridge_name(switch)
    assert (name == switch) is kept
    assert 0 < len(name) <= 15
    assert all(c.isascii() and (c.isalnum() or c in "-_.") for c in name)


def test_bridges_of_two_switches_differ():
    assert bridge_name("a switch") != bridge_name("another switch")


@pytest.mark.parametrize(
    ("attachment", "settings"),
    [
        (Attachment("dvs"), ("tag=0", "trunks=[]", "vlan_mode=access")),
        (Attachment("dvs", 11), ("tag=11", "trunks=[]", "vlan_mode=access")),
        (Attachment("dvs", trunk=True), ("tag=[]", "trunks=[]", "vlan_mode=trunk")),
    ],
)
def test_vlan_settings(attachment, settings):
    assert vlan_settings(attachment) == settings
