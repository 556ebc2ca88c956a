"""A node's identity, as cloud-init reads it."""

from __future__ import annotations

import base64
import json
from dataclasses import replace
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path
from typing import Any

import pytest
import yaml

from viaduct.model.cloud import Node
from viaduct.model.secret import Secret
from viaduct.model.site import (
    AddressRange,
    ComputeCluster,
    ManagementPlacement,
    Site,
    SiteNetwork,
    TenantNetworks,
    VCenter,
)
from viaduct.provisioning.identity import guestinfo

MACS = ("00:50:56:AA:00:01", "00:50:56:aa:00:02")
KEY = "ssh-ed25519 AAAAC3Nza viaduct"
NODE = Node("control-1", ("controller",), 4, 8192, IPv4Address("10.70.0.100"), IPv4Address("10.70.1.100"))


def network(third: int, **more: Any) -> SiteNetwork:
    first, last = IPv4Address(f"10.70.{third}.100"), IPv4Address(f"10.70.{third}.199")
    cidr = IPv4Network(f"10.70.{third}.0/24")
    return SiteNetwork(f"net-{third}", cidr, (AddressRange(first, last),), **more)


SITE = Site(
    name="lab",
    vcenter=VCenter(
        "10.70.0.1", "administrator@vsphere.local", Secret("very-secret"), ca_file=Path("/ca.pem")
    ),
    datacenter="Datacenter",
    management=ManagementPlacement("management", "management-ds"),
    compute=(ComputeCluster("compute", ("compute-ds",)),),
    image_datastore="shared-ds",
    management_network=network(0, gateway=IPv4Address("10.70.0.1")),
    external_network=network(1),
    tenant_networks=TenantNetworks("dvs", ((1000, 1999),)),
    template="viaduct-appliance-1",
)


def read(site: Site = SITE, macs: tuple[str, ...] = MACS) -> tuple[dict[str, Any], dict[str, Any]]:
    """Metadata and user data as cloud-init would read them: base64, then YAML."""
    info = guestinfo(NODE, site, macs, KEY + "\n")
    assert info["metadata.encoding"] == info["userdata.encoding"] == "base64"
    user = base64.b64decode(info["userdata"]).decode()
    assert user.startswith("#cloud-config\n")
    return yaml.safe_load(base64.b64decode(info["metadata"])), yaml.safe_load(user)


def test_host_name_and_instance_id() -> None:
    metadata, _ = read()
    assert metadata["local-hostname"] == "control-1"
    assert metadata["instance-id"] == "control-1-005056aa0001"


def test_adapters_are_found_by_mac_and_named() -> None:
    ethernets = read()[0]["network"]["ethernets"]
    assert {n: (e["match"]["macaddress"], e["set-name"], e["addresses"]) for n, e in ethernets.items()} == {
        "management": ("00:50:56:aa:00:01", "management", ["10.70.0.100/24"]),
        "external": ("00:50:56:aa:00:02", "external", ["10.70.1.100/24"]),
    }


INSIDE, OUTSIDE = IPv4Address("10.70.0.1"), IPv4Address("10.70.1.1")


@pytest.mark.parametrize(
    ("management", "external", "expected"),
    [
        (INSIDE, None, {"management": "10.70.0.1"}),
        (INSIDE, OUTSIDE, {"management": "10.70.0.1"}),
        (None, OUTSIDE, {"external": "10.70.1.1"}),
        (None, None, {}),
    ],
)
def test_there_is_one_default_route_at_most(
    management: IPv4Address | None, external: IPv4Address | None, expected: dict[str, str]
) -> None:
    site = replace(
        SITE,
        management_network=network(0, gateway=management),
        external_network=network(1, gateway=external),
    )
    ethernets = read(site)[0]["network"]["ethernets"]
    routes = {n: e["routes"] for n, e in ethernets.items() if "routes" in e}
    assert routes == {n: [{"to": "0.0.0.0/0", "via": via}] for n, via in expected.items()}


def test_name_servers_belong_to_their_network() -> None:
    site = replace(SITE, management_network=network(0, dns=(IPv4Address("10.0.0.53"),)))
    ethernets = read(site)[0]["network"]["ethernets"]
    assert ethernets["management"]["nameservers"] == {"addresses": ["10.0.0.53"]}
    assert "nameservers" not in ethernets["external"]


def test_root_logs_in_with_our_key_only() -> None:
    user = read()[1]
    assert user["users"] == [{"name": "root", "lock_passwd": True, "ssh_authorized_keys": [KEY]}]
    assert user["disable_root"] is False
    assert user["ssh_pwauth"] is False
    assert user["ssh_deletekeys"] is False


@pytest.mark.parametrize("macs", [(), MACS[:1], (*MACS, "00:50:56:aa:00:03")])
def test_two_adapters_are_needed(macs: tuple[str, ...]) -> None:
    with pytest.raises(ValueError, match="instead of two"):
        guestinfo(NODE, SITE, macs, KEY)


def test_it_holds_no_secret() -> None:
    decoded = json.dumps(read())
    assert "very-secret" not in decoded
