"""A site file that is wrong in itself: every field that is, and what to write there, before anything is asked."""

from __future__ import annotations

import pytest

from faults.commands import BAD_INPUT
from faults.conftest import SiteFile, Viaduct, untouched

MANAGEMENT, EXTERNAL = "networks.management", "networks.external"

# Field -> what is written there, what is said of it, and what to do.
FIELDS = [
    (
        f"{MANAGEMENT}.ranges",
        ["127.93.0.100-127.94.0.9"],
        "is not inside 127.93.0.0/24",
        "127.93.0.1-127.93.0.254",
    ),
    (f"{MANAGEMENT}.ranges", ["127.93.0.9-127.93.0.2"], "ends before it begins", "10.0.0.100-10.0.0.149"),
    (
        f"{MANAGEMENT}.ranges",
        ["127.93.0.1-127.93.0.9"],
        "holds the gateway 127.93.0.1",
        "Leave the gateway out",
    ),
    (f"{MANAGEMENT}.ranges", ["127.93.0.200-127.93.0.255"], "holds the broadcast address", "127.93.0.254"),
    (
        f"{MANAGEMENT}.ranges",
        ["127.93.0.5-127.93.0.9", "127.93.0.7"],
        "overlaps 127.93.0.5-127.93.0.9",
        "Join",
    ),
    (f"{MANAGEMENT}.ranges", [], "at least 1 item", "Give at least one"),
    (f"{MANAGEMENT}.gateway", "10.1.1.1", "is not a host address of 127.93.0.0/24", "router's address"),
    (f"{EXTERNAL}.cidr", "127.93.1.0/31", "is too small", "/30 or larger"),
    (f"{EXTERNAL}.cidr", "127.93.1.7/24", "not a valid IPv4 network", "10.0.0.0/24"),
    (f"{EXTERNAL}.port_group", "management", "is networks.management's port group too", "of its own"),
    ("tenant_networks.vlans", ["0-10"], "'0-10' has a VLAN id out of bounds", "between 1 and 4094"),
    ("tenant_networks.vlans", ["4000-4095"], "'4000-4095' has a VLAN id out of bounds", "between 1 and 4094"),
    ("tenant_networks.vlans", ["20-10"], "ends before it begins", "such as 1000-1999"),
    ("tenant_networks.vlans", ["10-20", 15], "overlaps 10-20", "Join the two ranges"),
    ("vcenter.port", 70000, "less than or equal to 65535", "at most 65535"),
    ("vcenter.thumbprint", "AB:CD", "is not a SHA-256 thumbprint", "openssl x509"),
    ("vcenter.password_file", "none", "No such file or directory", "that you can read"),
    ("vcenter.password_file", None, "has no password", "exactly one of password_file"),
    ("vcenter.ca_file", "none.pem", "none.pem does not exist", "Check the path"),
    ("datacenter", None, "is missing", "docs/site-file.md"),
    ("vcenter.hots", "x", "unknown key", "Did you mean 'host'?"),
    ("management.datastores", "x", "unknown key", "Did you mean 'datastore'?"),
]


@pytest.mark.parametrize(("path", "value", "said", "remedy"), FIELDS)
def test_a_wrong_field_is_named_with_what_to_write(
    viaduct: Viaduct, site: SiteFile, path: str, value: object, said: str, remedy: str
) -> None:
    site.set(path, value)
    field = "vcenter" if said == "has no password" else path
    with untouched(site.center, site.path.parent / "state"):
        told = viaduct("plan", "--site", str(site.path))
    told.refuses("INPUT-101", f"{site.path}: {field}", said, remedy, status=BAD_INPUT)


def test_networks_that_overlap(viaduct: Viaduct, site: SiteFile) -> None:
    site.set(f"{EXTERNAL}.cidr", "127.93.0.0/16")
    site.set(f"{EXTERNAL}.ranges", ["127.93.7.1-127.93.7.9"])
    told = viaduct("plan", "--site", str(site.path))
    told.refuses(
        "INPUT-101", "networks.external.cidr: 127.93.0.0/16 overlaps 127.93.0.0/24", status=BAD_INPUT
    )


YAML = [
    ("name: [lab\n", "line 2, column 1"),
    ("name: lab\n\tvcenter: x\n", "line 2, column 1: found character '\\t'"),
    ("name: a\nname: b\n", "line 2, column 1: the key 'name' is given twice"),
    ("- a\n- b\n", "does not hold a mapping"),
    ("", "does not hold a mapping"),
]


@pytest.mark.parametrize(("text", "said"), YAML)
def test_malformed_yaml_is_told_with_its_place(
    viaduct: Viaduct, site: SiteFile, text: str, said: str
) -> None:
    site.path.write_text(text)
    told = viaduct("plan", "--site", str(site.path))
    told.refuses("INPUT-101", str(site.path), said, status=BAD_INPUT)


def test_a_file_that_is_not_there_or_not_text(viaduct: Viaduct, site: SiteFile) -> None:
    told = viaduct("up", "--site", str(site.path.with_name("none.yaml")))
    told.refuses("INPUT-101", "none.yaml does not exist", "Check the path", status=BAD_INPUT)
    site.path.write_bytes(b"\xff\xfe\x00")
    told = viaduct("up", "--site", str(site.path))
    told.refuses("INPUT-101", "it is not UTF-8 text", status=BAD_INPUT)


def test_all_problems_are_told_at_once(viaduct: Viaduct, site: SiteFile) -> None:
    site.set("vcentre", {})
    site.set("name", None)
    site.set(f"{MANAGEMENT}.rangs", 1)
    site.set("tenant_networks.vlans", ["5000"])
    site.set("compute", [])
    with untouched(site.center, site.path.parent / "state"):
        told = viaduct("up", "--site", str(site.path))
    told.refuses("INPUT-101", "has 5 problems", status=BAD_INPUT)
    for line in (
        "vcentre: unknown key. Did you mean 'vcenter'?",
        "name: is missing.",
        f"{MANAGEMENT}.rangs: unknown key. Did you mean 'ranges'?",
        "tenant_networks.vlans[0]: '5000' has a VLAN id out of bounds.",
        "compute: ",
    ):
        assert f"  | {line}" in told.err


def test_all_addresses_are_checked_at_once(viaduct: Viaduct, site: SiteFile) -> None:
    site.set(f"{MANAGEMENT}.ranges", ["127.93.0.1-127.93.0.9", "127.93.0.8", "10.0.0.1"])
    site.set("tenant_networks.vlans", ["1-9", "9-12"])
    told = viaduct("up", "--site", str(site.path))
    told.refuses(
        "INPUT-101", "has 4 problems", "holds the gateway", "is not inside", "overlaps", status=BAD_INPUT
    )
    assert told.err.count("overlaps") == 2


def test_bad_specs_and_names(viaduct: Viaduct, site: SiteFile) -> None:
    spec = site.path.with_name("spec.yaml")
    spec.write_text("nmae: x\nmode: tiny\nnodes: [{name: node1, cpus: 0}]\n")
    told = viaduct("up", "--site", str(site.path), "--spec", str(spec))
    told.refuses("INPUT-201", "has 2 problems", "Did you mean 'name'?", "at least 1", status=BAD_INPUT)
    told = viaduct("up", "--site", str(site.path), "--name", "My_Cloud")
    told.refuses("INPUT-201", "'My_Cloud' cannot be a cloud's name", "lower-case", status=BAD_INPUT)
    told = viaduct("up", "--site", str(site.path), "--mode", "hue")
    told.refuses("INPUT-201", "hue", "tiny", status=BAD_INPUT)
