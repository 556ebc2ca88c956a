"""Ids and address ranges of labs."""

from ipaddress import IPv4Address, IPv4Network

import pytest

from viaduct_lab.lab import allocation
from viaduct_lab.lab.errors import AddressesTaken


def nets(*texts):
    return tuple(IPv4Network(t) for t in texts)


@pytest.mark.parametrize(
    ("lab_id", "routed", "management"),
    [
        ("0000", (), "10.64.0.0/24"),
        ("0006", (), "10.70.0.0/24"),
        ("003e", (), "10.126.0.0/24"),
        ("003f", (), "10.64.0.0/24"),  # 63 candidates: begins again
        ("0006", ("10.70.0.0/24",), "10.71.0.0/24"),
        ("0006", ("10.70.1.128/25",), "10.71.0.0/24"),  # only the external one is taken
        ("0006", ("10.64.0.0/12",), "10.80.0.0/24"),
        ("003e", ("10.126.0.7/32",), "10.64.0.0/24"),
        ("0006", ("192.168.0.0/16", "172.16.0.0/12"), "10.70.0.0/24"),
    ],
)
def test_networks_avoid_what_is_routed(lab_id, routed, management):
    inner, outer = allocation.networks(lab_id, nets(*routed))
    assert str(inner) == management
    assert outer.network_address == inner.network_address + 256
    assert outer.prefixlen == 24


def test_no_free_network_is_an_error_with_a_remedy():
    with pytest.raises(AddressesTaken) as caught:
        allocation.networks("0000", nets("10.0.0.0/8"))
    assert "ip route" in caught.value.remedy


def test_addresses_of_a_network():
    network = IPv4Network("10.70.0.0/24")
    assert allocation.gateway(network) == IPv4Address("10.70.0.1")
    assert allocation.own(network) == IPv4Address("10.70.0.254")
    assert allocation.host_addresses(network, 3, 11) == ("10.70.0.11", "10.70.0.12", "10.70.0.13")


def test_new_id_is_not_one_in_use(monkeypatch):
    words = iter(["aaaa", "bbbb", "cccc"])
    monkeypatch.setattr(allocation.secrets, "token_hex", lambda size: next(words))
    assert allocation.new_id({"aaaa", "bbbb"}) == "cccc"


def test_routes_of_the_machine(monkeypatch):
    listed = """[
        {"dst": "default", "dev": "eth0"},
        {"dst": "0.0.0.0/1", "dev": "tun0"},
        {"dst": "192.0.2.0/24", "dev": "eth0"},
        {"dst": "10.70.0.0/24", "dev": "vdabcdm"},
        {"type": "local", "dst": "10.71.0.3", "dev": "eth1"},
        {"type": "broadcast", "dst": "10.72.0.255", "dev": "eth1"}
    ]"""
    monkeypatch.setattr(allocation, "run", lambda *argv: listed)
    assert allocation.machine_routes(("vdabcdm",)) == nets("192.0.2.0/24", "10.71.0.3/32")
    assert IPv4Network("10.70.0.0/24") in allocation.machine_routes(())
