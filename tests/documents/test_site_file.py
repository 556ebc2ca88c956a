"""Site files: what is read, and what each mistake is told."""

from __future__ import annotations

import copy
from collections.abc import Callable
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any

import pytest
import yaml

from viaduct.documents.site import load_site, password_source
from viaduct.errors import SiteFileError

GOOD: dict[str, Any] = {
    "name": "lab",
    "vcenter": {"host": "10.70.0.1", "username": "administrator@vsphere.local", "password_file": "password"},
    "datacenter": "Datacenter",
    "management": {"cluster": "management", "datastore": "management-ds"},
    "compute": [{"cluster": "compute", "datastores": ["compute-ds"]}],
    "images": {"datastore": "shared-ds"},
    "networks": {
        "management": {
            "port_group": "management",
            "cidr": "10.70.0.0/24",
            "gateway": "10.70.0.1",
            "ranges": ["10.70.0.100-10.70.0.149", "10.70.0.200"],
        },
        "external": {
            "port_group": "external",
            "cidr": "10.70.1.0/24",
            "ranges": ["10.70.1.100-10.70.1.199"],
        },
    },
    "tenant_networks": {"switch": "dvs", "vlans": ["1000-1999", 2500]},
    "appliance": {"template": "viaduct-appliance-1"},
}


def write(directory: Path, document: object) -> Path:
    (directory / "password").write_text("s3cret\n")
    path = directory / "site.yaml"
    path.write_text(document if isinstance(document, str) else yaml.safe_dump(document))
    return path


def test_whole_file(tmp_path: Path) -> None:
    site = load_site(write(tmp_path, GOOD))
    assert site.vcenter.password.reveal() == "s3cret"
    assert site.vcenter.port == 443
    assert site.management.folder == "Viaduct"
    assert [str(r) for r in site.management_network.ranges] == [
        "10.70.0.100-10.70.0.149",
        "10.70.0.200-10.70.0.200",
    ]
    assert site.external_network.gateway is None
    assert site.management_network.gateway == IPv4Address("10.70.0.1")
    assert site.tenant_networks.vlans == ((1000, 1999), (2500, 2500))
    assert site.tenant_networks.physical_network == "dvs"
    assert site.template == "viaduct-appliance-1"


def set_at(path: str, value: object) -> Callable[[dict[str, Any]], None]:
    def change(document: dict[str, Any]) -> None:
        at: Any = document
        *parents, last = [int(p) if p.isdigit() else p for p in path.split(".")]
        for part in parents:
            at = at[part]
        if value is None:
            del at[last]
        else:
            at[last] = value

    return change


RANGES = "networks.management.ranges"

MISTAKES = [
    # field, value, field as told, what is said, what is the remedy
    ("vcenter.hots", "x", "vcenter.hots", "unknown key", "Did you mean 'host'?"),
    ("networks.management.gatway", "10.70.0.1", "networks.management.gatway", "unknown", "'gateway'"),
    ("datacenter", None, "datacenter", "is missing", "Add it"),
    ("compute.0.cluster", None, "compute[0].cluster", "is missing", "Add it"),
    ("compute", [], "compute", "at least 1", "at least one"),
    ("vcenter.port", 70000, "vcenter.port", "65535", "at most 65535"),
    ("vcenter.host", "", "vcenter.host", "at least 1 char", "Write a value"),
    ("networks.management.cidr", "10.70.0.5/24", "networks.management.cidr", "", "no host bits"),
    ("networks.management.cidr", "10.70.0.0/31", "networks.management.cidr", "too small", "/30"),
    ("networks.management.gateway", "10.71.0.1", "networks.management.gateway", "not a host", "router"),
    ("networks.management.gateway", "10.70.0.255", "networks.management.gateway", "not a host", "router"),
    (
        "networks.management.ranges.0",
        "10.70.0.9-10.70.0.1",
        "networks.management.ranges[0]",
        "ends before",
        "",
    ),
    ("networks.management.ranges.1", "ten", "networks.management.ranges[1]", "not a range", "10.0.0.100-"),
    (
        "networks.management.ranges.0",
        "10.70.0.250-10.70.1.5",
        "networks.management.ranges[0]",
        "not inside",
        "",
    ),
    ("networks.management.ranges.1", "10.70.0.1-10.70.0.9", "networks.management.ranges[1]", "gateway", ""),
    (
        "networks.management.ranges.1",
        "10.70.0.250-10.70.0.255",
        "networks.management.ranges[1]",
        "broadcast",
        "",
    ),
    ("networks.external.ranges.0", "10.70.1.0-10.70.1.9", "networks.external.ranges[0]", "own address", ""),
    (
        "networks.management.ranges.1",
        "10.70.0.149-10.70.0.160",
        "networks.management.ranges[1]",
        "overlaps",
        "",
    ),
    ("networks.external.cidr", "10.70.0.0/16", "networks.external.cidr", "overlaps", "separate networks"),
    ("networks.external.port_group", "management", "networks.external.port_group", "too", "of its own"),
    ("tenant_networks.vlans.0", "1000-5000", "tenant_networks.vlans[0]", "out of bounds", "1 and 4094"),
    ("tenant_networks.vlans.0", "0-10", "tenant_networks.vlans[0]", "out of bounds", "1 and 4094"),
    ("tenant_networks.vlans.1", "1999", "tenant_networks.vlans[1]", "overlaps", "Join"),
    ("compute.1", {"cluster": "compute", "datastores": ["a"]}, "compute[1].cluster", "twice", "one entry"),
    ("compute.0.datastores", ["a", "a"], "compute[0].datastores[1]", "twice", "Remove one"),
    ("vcenter.password_file", "nowhere", "vcenter.password_file", "No such file", "you can read"),
    ("vcenter.password_file", None, "vcenter", "has no password", "exactly one of"),
    ("vcenter.password", "x", "vcenter", "password and password_file", "exactly one of"),
    ("vcenter.ca_file", "no.pem", "vcenter.ca_file", "does not exist", "PEM"),
    ("vcenter.thumbprint", "AB:CD", "vcenter.thumbprint", "not a SHA-256", "openssl"),
]


@pytest.mark.parametrize(("path", "value", "field", "said", "remedy"), MISTAKES)
def test_mistake(tmp_path: Path, path: str, value: object, field: str, said: str, remedy: str) -> None:
    document = copy.deepcopy(GOOD)
    if path == "compute.1":
        document["compute"].append(value)
    else:
        set_at(path, value)(document)
    file = write(tmp_path, document)
    with pytest.raises(SiteFileError) as caught:
        load_site(file)
    error = caught.value
    assert error.sentence.startswith(f"{file}: {field}: "), error.sentence
    assert said in error.sentence
    assert remedy in error.remedy


def test_all_problems_at_once(tmp_path: Path) -> None:
    document = copy.deepcopy(GOOD)
    for path, value in (("vcenter.port", 0), ("images.datastroe", "x"), ("datacenter", None)):
        set_at(path, value)(document)
    with pytest.raises(SiteFileError, match="3 problems") as caught:
        load_site(write(tmp_path, document))
    assert [line.split(":")[0] for line in caught.value.detail.splitlines()] == [
        "vcenter.port",
        "datacenter",
        "images.datastroe",
    ]
    document = copy.deepcopy(GOOD)
    set_at("vcenter.ca_file", "no.pem")(document)
    set_at("networks.external.cidr", "10.70.0.0/16")(document)
    with pytest.raises(SiteFileError, match="2 problems"):
        load_site(write(tmp_path, document))


def test_password_from_the_environment(tmp_path: Path) -> None:
    document = copy.deepcopy(GOOD)
    document["vcenter"] = {"host": "v", "username": "u", "password_env": "VC_PASSWORD"}
    path = write(tmp_path, document)
    assert load_site(path, {"VC_PASSWORD": "pw"}).vcenter.password.reveal() == "pw"
    assert password_source(path) == "in the variable VC_PASSWORD"
    with pytest.raises(SiteFileError) as caught:
        load_site(path, {})
    assert "export VC_PASSWORD=" in caught.value.remedy


def test_inline_password_is_in_no_message(tmp_path: Path) -> None:
    document = copy.deepcopy(GOOD)
    document["vcenter"] = {"host": "v", "username": "u", "password": "hunter2-hunter2", "port": "x"}
    with pytest.raises(SiteFileError) as caught:
        load_site(write(tmp_path, document))
    assert "hunter2" not in f"{caught.value} {caught.value.remedy} {caught.value.detail}"


def test_thumbprint_is_normalised(tmp_path: Path) -> None:
    document = copy.deepcopy(GOOD)
    document["vcenter"]["thumbprint"] = "ab" * 32
    assert load_site(write(tmp_path, document)).vcenter.thumbprint == ":".join(["AB"] * 32)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("name: [", "line 1"),
        ("- a\n- b\n", "does not hold a mapping"),
        ("name: a\nname: b\n", "line 2, column 1: the key 'name' is given twice"),
        ("name: !!python/object:os.system {}\n", "could not determine a constructor"),
    ],
)
def test_not_a_site_file(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(SiteFileError) as caught:
        load_site(write(tmp_path, text))
    assert said in caught.value.sentence


def test_missing_file(tmp_path: Path) -> None:
    with pytest.raises(SiteFileError, match="does not exist"):
        load_site(tmp_path / "nothing.yaml")
