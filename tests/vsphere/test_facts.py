"""What the site file can name, read from the lab's vCenter."""

from __future__ import annotations

from dataclasses import replace

from pyVim.task import WaitForTask
from pyVmomi import vim
from vcenter_site import NODE, TEMPLATE, Center

from viaduct.vsphere.client import VCenterClient


def test_the_whole_inventory_is_named(center: Center, client: VCenterClient) -> None:
    facts = client.facts(center.site)
    assert facts.datacenters == ("Datacenter",)
    assert sorted(facts.clusters) == ["compute", "management"]
    assert sorted(facts.datastores) == ["compute-ds", "management-ds", "shared-ds"]
    assert facts.port_groups == {"management": 0, "external": 11, "trunk": None}
    assert facts.switches == ("dvs",)
    assert facts.templates == (TEMPLATE,)
    assert facts.version.split(".")[0].isdigit()


def test_clusters_tell_what_they_have(center: Center, client: VCenterClient) -> None:
    cluster = client.facts(center.site).clusters["management"]
    hosts = list(center.entity(vim.ClusterComputeResource, "management").host)
    assert cluster.hosts == tuple(sorted(h.name for h in hosts))
    assert cluster.cpu_mhz == sum(h.summary.hardware.cpuMhz * h.summary.hardware.numCpuCores for h in hosts)
    assert cluster.memory_mb == sum(h.summary.hardware.memorySize for h in hosts) >> 20
    assert cluster.datastores == ("management-ds", "shared-ds")
    assert cluster.networks == ("external", "management", "trunk")
    assert cluster.resource_pools == ()


def test_datastores_tell_sizes_and_hosts(center: Center, client: VCenterClient) -> None:
    facts = client.facts(center.site)
    store = facts.datastores["management-ds"]
    assert store.capacity > store.free > 0 or store.capacity == store.free > 0
    assert store.accessible
    assert store.hosts == facts.clusters["management"].hosts


def test_it_takes_few_calls_however_much_there_is(center: Center, client: VCenterClient) -> None:
    center.server.control("POST", "/calls/reset")
    client.facts(center.site)
    calls = center.server.control("GET", "/calls")
    assert calls["RetrievePropertiesEx"] <= 6
    assert set(calls) <= {
        "RetrievePropertiesEx",
        "ContinueRetrievePropertiesEx",
        "CreateContainerView",
        "DestroyView",
    }


def test_an_unknown_datacenter_shows_those_that_exist(center: Center, client: VCenterClient) -> None:
    facts = client.facts(replace(center.site, datacenter="Elsewhere"))
    assert facts.datacenters == ("Datacenter",)
    assert facts.clusters == {}


def test_resource_pools_belong_to_their_cluster(center: Center, client: VCenterClient) -> None:
    root = center.entity(vim.ClusterComputeResource, "management").resourcePool
    share = vim.SharesInfo(level="normal", shares=4000)
    allocation = vim.ResourceAllocationInfo(reservation=0, expandableReservation=True, limit=-1, shares=share)
    made = root.CreateResourcePool(
        "control", vim.ResourceConfigSpec(cpuAllocation=allocation, memoryAllocation=allocation)
    )
    try:
        clusters = client.facts(center.site).clusters
        assert clusters["management"].resource_pools == ("control",)
        assert clusters["compute"].resource_pools == ()
    finally:
        WaitForTask(made.Destroy_Task())


def test_a_site_may_name_a_resource_pool(center: Center, client: VCenterClient, cloud: str) -> None:
    root = center.entity(vim.ClusterComputeResource, "management").resourcePool
    share = vim.SharesInfo(level="normal", shares=4000)
    allocation = vim.ResourceAllocationInfo(reservation=0, expandableReservation=True, limit=-1, shares=share)
    made = root.CreateResourcePool(
        "nodes", vim.ResourceConfigSpec(cpuAllocation=allocation, memoryAllocation=allocation)
    )
    try:
        site = replace(center.site, management=replace(center.site.management, resource_pool="nodes"))
        vm = client.clone_node(site, cloud, NODE, {}, lambda _: None)
        assert center.machine(vm.name).resourcePool.name == "nodes"
        client.delete(vm)
    finally:
        WaitForTask(made.Destroy_Task())
