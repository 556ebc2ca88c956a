"""Preflight as a table: what a site or a machine lacks -> what is said and advised."""

from __future__ import annotations

from dataclasses import replace

import pytest

import fakes
from viaduct.model.observed import DatastoreFacts, NodeVm, SiteFacts
from viaduct.model.site import Site
from viaduct.planning.machine import GIB, MachineFacts, check_machine
from viaduct.planning.preflight import check_cloud, check_site

SITE, FACTS = fakes.site(), fakes.facts()
SMALL = DatastoreFacts("management-ds", 100 * GIB, 3 * GIB, True)


def with_cluster(name: str, **changes: object) -> SiteFacts:
    cluster = replace(FACTS.clusters[name], **changes)  # type: ignore[arg-type]
    return replace(FACTS, clusters={**FACTS.clusters, name: cluster})


def with_management(**changes: object) -> Site:
    return replace(SITE, management=replace(SITE.management, **changes))  # type: ignore[arg-type]


def without(mapping: str, name: str) -> SiteFacts:
    return replace(FACTS, **{mapping: {k: v for k, v in getattr(FACTS, mapping).items() if k != name}})


UNREACHABLE_DS = {**FACTS.datastores, "compute-ds": DatastoreFacts("compute-ds", 1, 1, False)}

NAMES = [
    (replace(SITE, datacenter="DC"), FACTS, "datacenter", "no datacenter 'DC'", "'Datacenter'"),
    (with_management(cluster="managment"), FACTS, "management.cluster", "no cluster", "'management'"),
    (with_management(datastore="Management-DS"), FACTS, "management.datastore", "no", "'management-ds'"),
    (with_management(datastore="zzz"), FACTS, "management.datastore", "no", "'management-ds', 'shared-ds'"),
    (with_management(datastore="compute-ds"), FACTS, "management.datastore", "do not mount", "Mount it"),
    (with_management(resource_pool="Pool"), FACTS, "management.resource_pool", "no resource", "'pool'"),
    (SITE, with_cluster("compute", hosts=()), "compute[0].cluster", "no host", "Connect a host"),
    (SITE, replace(FACTS, datastores=UNREACHABLE_DS), "compute[0].datastores[0]", "not accessible", "Mount"),
    (replace(SITE, image_datastore="share-ds"), FACTS, "images.datastore", "no", "'shared-ds'"),
    (
        SITE,
        without("port_groups", "external"),
        "networks.external.port_group",
        "no port group",
        "vCenter has",
    ),
    (
        SITE,
        with_cluster("management", networks=("management",)),
        "networks.external.port_group",
        "not connected",
        "Add the hosts",
    ),
    (SITE, replace(FACTS, switches=("dvs1",)), "tenant_networks.switch", "no distributed", "'dvs1'"),
    (SITE, replace(FACTS, switches=()), "tenant_networks.switch", "no distributed", "permissions"),
]


@pytest.mark.parametrize(("site", "facts", "field", "said", "remedy"), NAMES)
def test_names(site: Site, facts: SiteFacts, field: str, said: str, remedy: str) -> None:
    [(sentence, advice)] = check_site(site, facts)
    assert sentence.startswith(f"{field}: ")
    assert said in sentence
    assert remedy in advice


def test_sound_site_has_no_problem() -> None:
    assert check_site(SITE, FACTS) == ()
    assert check_cloud(SITE, fakes.spec(), FACTS, {}, ours=True) == ()


VM = NodeVm("viaduct", "node1", "viaduct-node1", "vm-1", "poweredOn")

CLOUD = [
    (replace(FACTS, templates=("viaduct-appliance-2",)), "no template", "'viaduct-appliance-2'"),
    (replace(FACTS, datastores={**FACTS.datastores, "management-ds": SMALL}), "3.0 GiB free", "Free space"),
    (replace(FACTS, used_addresses={"10.70.1.100": "printer"}), "in use by the VM 'printer'", "ranges"),
]


@pytest.mark.parametrize(("facts", "said", "remedy"), CLOUD)
def test_cloud(facts: SiteFacts, said: str, remedy: str) -> None:
    [(sentence, advice)] = check_cloud(SITE, fakes.spec(), facts, {}, ours=True)
    assert said in sentence
    assert remedy in advice
    assert check_cloud(SITE, fakes.spec(), facts, {"node1": VM}, ours=True) == (), "only for new nodes"


def test_own_vm_may_hold_its_address() -> None:
    facts = replace(FACTS, used_addresses={"10.70.0.100": "viaduct-node1"})
    assert check_cloud(SITE, fakes.spec(), facts, {}, ours=True) == ()


def test_foreign_cloud() -> None:
    [(sentence, remedy)] = check_cloud(SITE, fakes.spec(), FACTS, {"node1": VM}, ours=False)
    assert "already there (viaduct-node1)" in sentence
    assert "--name" in remedy


MACHINE = MachineFacts(True, "/var/lib/viaduct", "ext4", 50 * GIB, frozenset({"overlay"}), 24000)

MACHINES = [
    ({"root": False}, "needs root", "sudo"),
    ({"state_filesystem": "overlay"}, "overlayfs", "--state DIR"),
    ({"filesystems": frozenset({"ext4"})}, "no overlay file system", "modprobe overlay"),
    ({"overlay_refusal": "no xattrs"}, "cannot be mounted in /var/lib/viaduct (no xattrs)", "ext4"),
    ({"state_filesystem": "overlay", "overlay_refusal": "no xattrs"}, "lies on overlayfs", "--state DIR"),
    ({"tun_refusal": "No such device"}, "/dev/net/tun cannot be used (No such device)", "modprobe tun"),
    ({"memory_mb": 2000}, "2000 MiB", "8 GiB"),
    ({"free_bytes": GIB}, "1.0 GiB free, but 10 GiB are needed", "Free some space"),
]


@pytest.mark.parametrize(("changes", "said", "remedy"), MACHINES)
def test_machine(changes: dict[str, object], said: str, remedy: str) -> None:
    facts = replace(MACHINE, **changes)  # type: ignore[arg-type]
    [(sentence, advice)] = check_machine(facts, lab=True, image_built=False)
    assert said in sentence
    assert remedy in advice


def test_described_site_asks_little_of_the_machine() -> None:
    bare = MachineFacts(False, "/s", "overlay", GIB, frozenset(), 900, "no mounts", "No such device")
    assert check_machine(bare, lab=False, image_built=False) == ()
