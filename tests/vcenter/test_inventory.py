"""Folders, datacenters, clusters, hosts, resource pools and the search index."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from clients import cluster, datacenter, wait_for_task
from pyVmomi import VmomiSupport, vim, vmodl


@pytest.fixture
def place(si: Any) -> Iterator[Any]:
    """A VM folder of the test's own."""
    folder = datacenter(si).vmFolder.CreateFolder(f"inventory-{uuid.uuid4().hex[:8]}")
    yield folder
    wait_for_task(folder.Destroy())


def find(si: Any, path: str) -> Any:
    """FindByInventoryPath."""
    return si.content.searchIndex.FindByInventoryPath(path)


def test_default_inventory(si: Any) -> None:
    names = {
        child.name: [host.name for host in child.host] for child in datacenter(si).hostFolder.childEntity
    }
    assert names == {"management": ["127.0.77.11", "127.0.77.12"], "compute": ["127.0.77.13"]}
    about = si.content.about
    assert (about.apiType, about.apiVersion) == ("VirtualCenter", "8.0.3.0")


def test_all_managers_of_the_service_content_exist(si: Any) -> None:
    content = si.content
    refs = [
        value
        for info in vim.ServiceInstanceContent._GetPropertyList()
        if isinstance(value := getattr(content, info.name), VmomiSupport.ManagedObject)
    ]
    assert len(refs) > 30
    view = content.viewManager.CreateListView(refs)
    assert len(view.view) == len(refs)
    with pytest.raises(vmodl.fault.NotSupported):
        content.alarmManager.GetAlarm()


def test_folder_names(si: Any, place: Any) -> None:
    slash = place.CreateFolder("a/b")
    assert slash.name == "a%2fb"
    assert find(si, f"Datacenter/vm/{place.name}/a%2fb") == slash
    for name in ("a/b", "a%2fb", "a%2Fb"):
        with pytest.raises(vim.fault.DuplicateName) as caught:
            place.CreateFolder(name)
        assert caught.value.object == slash
    for name in ("", " ", "x" * 81):
        with pytest.raises(vim.fault.InvalidName):
            place.CreateFolder(name)
    place.CreateFolder("x" * 80)


def test_rename_to_a_siblings_name_fails(place: Any) -> None:
    place.CreateFolder("one")
    two = place.CreateFolder("two")
    with pytest.raises(vim.fault.DuplicateName):
        wait_for_task(two.Rename("one"))
    assert two.name == "two"


def test_move(si: Any, place: Any) -> None:
    one, two = place.CreateFolder("one"), place.CreateFolder("two")
    wait_for_task(one.MoveInto([two]))
    assert [child.name for child in one.childEntity] == ["two"]
    assert two.parent == one
    for bad in (lambda: two.MoveInto([one]), lambda: one.MoveInto([datacenter(si).hostFolder])):
        with pytest.raises((vmodl.fault.InvalidArgument, vmodl.fault.NotSupported)):
            wait_for_task(bad())


def test_destroy_takes_what_is_below(si: Any, place: Any) -> None:
    top = place.CreateFolder("top")
    below = top.CreateFolder("below")
    wait_for_task(top.Destroy())
    with pytest.raises(vmodl.fault.ManagedObjectNotFound):
        _ = below.name
    with pytest.raises(vmodl.fault.NotSupported):
        wait_for_task(datacenter(si).vmFolder.Destroy())


def test_another_datacenter(si: Any) -> None:
    made = si.content.rootFolder.CreateDatacenter("Second")
    assert made.vmFolder.childType == ["Folder", "VirtualMachine", "VirtualApp"]
    assert find(si, "/Second/host") == made.hostFolder
    wait_for_task(made.Destroy())
    assert find(si, "Second") is None
    with pytest.raises(vim.fault.ResourceInUse):
        wait_for_task(datacenter(si).Destroy())


def test_search_index(si: Any) -> None:
    index = si.content.searchIndex
    host = cluster(si, "management").host[1]
    assert index.FindByIp(None, host.name, False) == host
    assert index.FindByDnsName(None, host.name, False) == host
    assert index.FindByUuid(None, host.summary.hardware.uuid.upper(), False) == host
    assert index.FindByUuid(datacenter(si), host.summary.hardware.uuid, False) == host
    assert index.FindAllByUuid(None, str(uuid.uuid4()), True) == []
    assert index.FindChild(host.parent, host.name) == host
    assert index.FindByInventoryPath("") == si.content.rootFolder
    assert index.FindByInventoryPath("Datacenter/nonsense") is None
    pool = index.FindByInventoryPath("Datacenter/host/compute/Resources")
    assert isinstance(pool, vim.ResourcePool)


def test_host_description(si: Any) -> None:
    host = cluster(si, "management").host[0]
    assert host.summary.hardware.memorySize == host.hardware.memorySize > 0
    assert host.runtime.connectionState == "connected"
    assert host.config.product.apiType == "HostAgent"
    assert host.summary.quickStats.overallMemoryUsage == 0
    summary = host.parent.summary
    assert summary.totalMemory == 2 * host.summary.hardware.memorySize
    assert (summary.numHosts, summary.numEffectiveHosts) == (2, 2)
    assert {store.name for store in host.datastore} <= {"management-ds", "shared-ds"}


def test_maintenance(si: Any) -> None:
    host = cluster(si, "management").host[0]
    with pytest.raises(vim.fault.InvalidState):
        wait_for_task(host.ExitMaintenanceMode(0))
    wait_for_task(host.EnterMaintenanceMode(0))
    assert host.runtime.inMaintenanceMode
    assert host.parent.summary.numEffectiveHosts == 1
    wait_for_task(host.ExitMaintenanceMode(0))
    wait_for_task(host.Disconnect())
    assert host.runtime.connectionState == "disconnected"
    wait_for_task(host.ReconnectHost_Task())
    assert host.parent.summary.numEffectiveHosts == 2


def test_iscsi_targets(si: Any) -> None:
    host = cluster(si, "compute").host[0]
    storage = host.configManager.storageSystem
    target = vim.host.InternetScsiHba.SendTarget(address="10.0.0.9", port=3260)
    storage.AddInternetScsiSendTargets("vmhba64", [target])
    storage.RescanHba("vmhba64")
    adapter = host.config.storageDevice.hostBusAdapter[1]
    assert [(t.address, t.port) for t in adapter.configuredSendTarget] == [("10.0.0.9", 3260)]
    assert storage.storageDeviceInfo.hostBusAdapter[1].configuredSendTarget
    storage.RemoveInternetScsiSendTargets("vmhba64", [target])
    assert not storage.storageDeviceInfo.hostBusAdapter[1].configuredSendTarget
    with pytest.raises(vim.fault.NotFound):
        storage.RescanHba("vmhba99")


def test_resource_pools(si: Any) -> None:
    root = cluster(si, "compute").resourcePool
    pool = root.CreateResourcePool("tenant", root.config)
    below = pool.CreateResourcePool("below", root.config)
    assert pool.owner == root.owner == cluster(si, "compute")
    config = pool.config
    config.memoryAllocation.limit = 4096
    pool.UpdateConfig("renamed", config)
    assert (pool.name, pool.config.memoryAllocation.limit) == ("renamed", 4096)
    with pytest.raises(vim.fault.DuplicateName):
        root.CreateResourcePool("renamed", root.config)
    wait_for_task(pool.Destroy())
    assert below.parent == root
    wait_for_task(below.Destroy())
    assert root.resourcePool == []
    with pytest.raises(vmodl.fault.NotSupported):
        wait_for_task(root.Destroy())


def test_environment_browser(si: Any) -> None:
    browser = cluster(si, "compute").environmentBrowser
    option = browser.QueryConfigOption(None, None)
    assert option.version == "vmx-21"
    assert "otherLinux64Guest" in [guest.id for guest in option.guestOSDescriptor]
    descriptors = browser.QueryConfigOptionDescriptor()
    assert [d.key for d in descriptors if d.defaultConfigOption] == ["vmx-21"]
    with pytest.raises(vmodl.fault.InvalidArgument):
        browser.QueryConfigOption("vmx-99", None)
    assert browser.QueryConfigTarget(None).numCpus > 0


def rule_spec(operation: str, info: Any = None, key: int | None = None) -> Any:
    """A change of one rule."""
    spec = vim.cluster.RuleSpec(operation=operation, info=info, removeKey=key)
    return vim.cluster.ConfigSpecEx(rulesSpec=[spec])


def group_spec(operation: str, info: Any = None, name: str | None = None) -> Any:
    """A change of one group."""
    spec = vim.cluster.GroupSpec(operation=operation, info=info, removeKey=name)
    return vim.cluster.ConfigSpecEx(groupSpec=[spec])


def test_drs_rules_and_groups(si: Any) -> None:
    target = cluster(si, "management")

    def change(spec: Any) -> None:
        wait_for_task(target.ReconfigureComputeResource_Task(spec, True))

    hosts = vim.cluster.HostGroup(name="hosts", host=list(target.host))
    vms = vim.cluster.VmGroup(name="vms", vm=[])
    change(vim.cluster.ConfigSpecEx(groupSpec=[
        vim.cluster.GroupSpec(operation="add", info=hosts),
        vim.cluster.GroupSpec(operation="add", info=vms),
    ]))  # fmt: skip
    change(rule_spec("add", vim.cluster.VmHostRuleInfo(
        name="pin", enabled=True, mandatory=True, vmGroupName="vms", affineHostGroupName="hosts"
    )))  # fmt: skip
    config = target.configurationEx
    assert [(type(g).__name__, g.name) for g in config.group] == [
        ("vim.cluster.HostGroup", "hosts"),
        ("vim.cluster.VmGroup", "vms"),
    ]
    (rule,) = config.rule
    assert (rule.name, rule.mandatory, rule.userCreated) == ("pin", True, True)
    change(rule_spec("edit", vim.cluster.VmHostRuleInfo(key=rule.key, enabled=False)))
    (edited,) = target.configurationEx.rule
    assert (edited.name, edited.enabled, edited.vmGroupName) == ("pin", False, "vms")
    for bad in (
        rule_spec("add", vim.cluster.VmHostRuleInfo(name="pin", vmGroupName="vms")),
        rule_spec("remove", key=99),
        rule_spec("add", vim.cluster.VmHostRuleInfo(name="x", vmGroupName="nonsense")),
        group_spec("add", hosts),
        group_spec("remove", name="vms"),
    ):
        with pytest.raises(vmodl.fault.InvalidArgument):
            change(bad)
    change(rule_spec("remove", key=rule.key))
    change(group_spec("remove", name="vms"))
    change(group_spec("remove", name="hosts"))
    assert not target.configurationEx.rule
    assert not target.configurationEx.group
    assert target.configurationEx.drsConfig.enabled


def test_cluster_options(si: Any) -> None:
    target = cluster(si, "compute")
    spec = vim.cluster.ConfigSpecEx(drsConfig=vim.cluster.DrsConfigInfo(defaultVmBehavior="manual"))
    wait_for_task(target.ReconfigureComputeResource_Task(spec, True))
    assert target.configurationEx.drsConfig.defaultVmBehavior == "manual"
    assert target.configurationEx.drsConfig.enabled
    wait_for_task(target.ReconfigureComputeResource_Task(vim.cluster.ConfigSpecEx(), False))
    assert target.configurationEx.drsConfig.defaultVmBehavior == "fullyAutomated"
