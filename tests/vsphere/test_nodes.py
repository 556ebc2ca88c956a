"""A node's VM through its life, in the lab's vCenter."""

from __future__ import annotations

import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest
from pyVim.task import WaitForTask
from pyVmomi import vim
from vcenter_site import NODE, TEMPLATE, Center, prepared

from viaduct.errors import SiteFileError, VCenterError, VCenterTaskFailed
from viaduct.model.observed import NodeVm
from viaduct.vsphere import nodes
from viaduct.vsphere.client import VCenterClient


def silent(_: str) -> None:
    pass


@pytest.fixture
def vm(center: Center, client: VCenterClient, cloud: str) -> NodeVm:
    return client.clone_node(center.site, cloud, NODE, {"greeting": "hello"}, silent)


def test_a_clone_is_as_asked(center: Center, vm: NodeVm, cloud: str) -> None:
    machine = center.machine(vm.name)
    assert vm.name == f"{cloud}-node1"
    assert (vm.cloud, vm.node, vm.template, vm.power) == (cloud, "node1", TEMPLATE, "poweredOff")
    assert (vm.cpus, vm.memory_mb) == (2, 2048)
    assert (machine.parent.name, machine.parent.parent.name) == (cloud, "Viaduct")
    assert [d.name for d in machine.datastore] == ["management-ds"]
    assert not machine.config.template
    extra = {o.key: o.value for o in machine.config.extraConfig}
    assert extra["guestinfo.greeting"] == "hello"
    assert extra[nodes.NODE_KEY] == "node1"
    assert vm.uuid == machine.config.instanceUuid
    assert (vm.identified, vm.host_key) == (False, "")


def test_its_adapters_are_the_two_it_needs(center: Center, client: VCenterClient, vm: NodeVm) -> None:
    cards = center.devices(vm.name, vim.vm.device.VirtualEthernetCard)
    groups = {
        g: center.entity(vim.dvs.DistributedVirtualPortgroup, g).key for g in ("management", "external")
    }
    assert [type(c) for c in cards] == [vim.vm.device.VirtualVmxnet3] * 2
    assert [c.backing.port.portgroupKey for c in cards] == [groups["management"], groups["external"]]
    assert client.adapter_macs(vm) == tuple(c.macAddress.lower() for c in cards)
    assert len(set(client.adapter_macs(vm))) == 2


def test_its_console_goes_to_a_file_beside_it(center: Center, client: VCenterClient, vm: NodeVm) -> None:
    machine = center.machine(vm.name)
    ports = center.devices(vm.name, vim.vm.device.VirtualSerialPort)
    directory = machine.config.files.vmPathName.rpartition("/")[0]
    assert [p.backing.fileName for p in ports] == [f"{directory}/console.log"]
    assert "written nothing yet" in client.console_log(center.site, vm)
    center.put("management-ds", f"{directory.partition('] ')[2]}/console.log", b"x" * 20000 + b"login: \n")
    log = client.console_log(center.site, vm)
    assert log.endswith("login: \n")
    assert len(log) <= 8192


def test_the_directory_may_have_another_name(center: Center, client: VCenterClient, cloud: str) -> None:
    """vSphere chooses another directory when one of the VM's name is there already."""
    browser = center.other.content.fileManager
    home = center.entity(vim.Datacenter, "Datacenter")
    browser.MakeDirectory(f"[management-ds] {cloud}-node1", home, False)
    vm = client.clone_node(center.site, cloud, NODE, {}, silent)
    machine = center.machine(vm.name)
    (port,) = center.devices(vm.name, vim.vm.device.VirtualSerialPort)
    assert port.backing.fileName.rpartition("/")[0] == machine.config.files.vmPathName.rpartition("/")[0]
    client.delete(vm)
    WaitForTask(browser.DeleteDatastoreFile_Task(f"[management-ds] {cloud}-node1", home))


def test_the_clouds_nodes_are_found_by_their_mark(center: Center, client: VCenterClient, vm: NodeVm) -> None:
    assert client.nodes(vm.cloud) == (vm,)
    assert client.nodes("another") == ()


def test_cloning_again_finds_the_same_vm(center: Center, client: VCenterClient, vm: NodeVm) -> None:
    before = center.machine_names()
    assert client.clone_node(center.site, vm.cloud, NODE, {}, silent).reference == vm.reference
    assert center.machine_names() == before


def test_a_clone_that_was_never_completed_is_taken_over(
    center: Center, client: VCenterClient, cloud: str
) -> None:
    """The process died between the clone and its completion."""
    center.server.control(
        "POST", "/faults", {"method": "ReconfigVM_Task", "fault": "TaskInProgress", "times": 1}
    )
    with pytest.raises(VCenterError) as failure:
        client.clone_node(center.site, cloud, NODE, {}, silent)
    assert failure.value.retryable
    left = center.machine(f"{cloud}-node1")
    assert client.nodes(cloud) == ()
    told: list[str] = []
    vm = client.clone_node(center.site, cloud, NODE, {}, told.append)
    assert vm.reference == left._moId
    assert told == [f"found {cloud}-node1 already cloned"]
    assert client.nodes(cloud) == (vm,)


def test_a_half_made_clone_of_another_size_is_made_anew(
    center: Center, client: VCenterClient, cloud: str
) -> None:
    center.server.control(
        "POST", "/faults", {"method": "ReconfigVM_Task", "fault": "TaskInProgress", "times": 1}
    )
    with pytest.raises(VCenterError):
        client.clone_node(center.site, cloud, NODE, {}, silent)
    left = center.machine(f"{cloud}-node1")._moId
    vm = client.clone_node(center.site, cloud, replace(NODE, memory_mb=4096), {}, silent)
    assert vm.reference != left
    assert vm.memory_mb == 4096


def test_a_clone_in_flight_is_waited_for_instead_of_started_again(tmp_path: Path) -> None:
    """As after a kill -9: the task goes on in vCenter while a new process begins."""
    with prepared(tmp_path, network="127.0.83", task_seconds=1.0) as slow:
        dead, client = VCenterClient(slow.vcenter), VCenterClient(slow.vcenter)
        client.ensure_folder(slow.site, "Viaduct/flight")
        slow.server.control("POST", "/calls/reset")
        worker = threading.Thread(target=lambda: dead.clone_node(slow.site, "flight", NODE, {}, silent))
        worker.start()
        while slow.server.control("GET", "/calls").get("CloneVM_Task", 0) == 0:
            time.sleep(0.01)
        told: list[str] = []
        vm = client.clone_node(slow.site, "flight", NODE, {}, told.append)
        worker.join(10)
        assert told[0] == "waiting for a clone that is already under way"
        assert slow.server.control("GET", "/calls")["CloneVM_Task"] == 1
        assert client.nodes("flight") == (vm,)
        dead.close()
        client.close()


def test_a_strangers_vm_is_never_removed(center: Center, client: VCenterClient, cloud: str) -> None:
    client.ensure_folder(center.site, f"Viaduct/{cloud}")
    folder = center.entity(vim.Folder, cloud)
    stranger = center.make_machine(f"{cloud}-node1", folder)
    WaitForTask(stranger.PowerOnVM_Task(None))
    with pytest.raises(VCenterError, match="is not that node's VM"):
        client.clone_node(center.site, cloud, NODE, {}, silent)
    with pytest.raises(VCenterError, match=f"still holds {cloud}-node1"):
        client.delete_folder(center.site, f"Viaduct/{cloud}")
    impostor = NodeVm(cloud, "node1", stranger.name, stranger._moId, "poweredOn")
    with pytest.raises(VCenterError, match="does not carry the mark"):
        client.delete(impostor)
    assert stranger.name in center.machine_names()
    WaitForTask(stranger.PowerOffVM_Task())
    WaitForTask(stranger.Destroy_Task())


def test_guest_variables_are_set_and_removed(center: Center, client: VCenterClient, vm: NodeVm) -> None:
    client.set_guestinfo(vm, {"metadata": "bWV0YQ==", "greeting": ""})
    extra = {o.key: o.value for o in center.machine(vm.name).config.extraConfig}
    assert extra["guestinfo.metadata"] == "bWV0YQ=="
    assert "guestinfo.greeting" not in extra
    assert client.nodes(vm.cloud)[0].identified


def test_power_on_and_off(center: Center, client: VCenterClient, vm: NodeVm) -> None:
    client.power_on(vm)
    client.power_on(vm)
    assert client.nodes(vm.cloud)[0].power == "poweredOn"
    client.shut_down(vm, timeout=2)
    client.shut_down(vm, timeout=2)
    assert client.nodes(vm.cloud)[0].power == "poweredOff"


def test_the_published_host_key_is_awaited(center: Center, client: VCenterClient, vm: NodeVm) -> None:
    assert client.wait_for_host_key(vm, timeout=0.3) is None
    timer = threading.Timer(0.5, center.publish, [vm.name, {nodes.HOST_KEY: "ssh-ed25519 AAAA node1\n"}])
    timer.start()
    started = time.monotonic()
    known = client.wait_for_host_key(vm, timeout=20)
    timer.join()
    assert known is not None
    assert known.host_key == "ssh-ed25519 AAAA node1"
    assert time.monotonic() - started < 5
    assert client.nodes(vm.cloud)[0].host_key.strip() == known.host_key


def test_the_host_key_of_the_next_boot_is_awaited_anew(
    center: Center, client: VCenterClient, vm: NodeVm
) -> None:
    """vSphere forgets at power-off what a guest has published."""
    center.publish(vm.name, {nodes.HOST_KEY: "ssh-ed25519 AAAA"})
    assert client.wait_for_host_key(vm, timeout=5) is not None
    center.publish(vm.name, {nodes.HOST_KEY: ""})
    assert client.nodes(vm.cloud)[0].host_key == ""
    assert client.wait_for_host_key(vm, timeout=0.3) is None
    timer = threading.Timer(0.5, center.publish, [vm.name, {nodes.HOST_KEY: "ssh-ed25519 AAAA"}])
    timer.start()
    known = client.wait_for_host_key(vm, timeout=20)
    timer.join()
    assert known is not None
    assert (known.host_key, known.uuid) == ("ssh-ed25519 AAAA", vm.uuid)


def test_waiting_does_not_poll(center: Center, client: VCenterClient, vm: NodeVm) -> None:
    center.server.control("POST", "/calls/reset")
    assert client.wait_for_host_key(vm, timeout=2.0) is None
    calls = center.server.control("GET", "/calls")
    assert sum(calls.values()) <= 8


def test_a_deleted_vm_leaves_no_file(center: Center, client: VCenterClient, vm: NodeVm) -> None:
    client.power_on(vm)
    client.delete(vm)
    client.delete(vm)
    assert vm.name not in center.machine_names()
    assert client.entries(center.site, "management-ds", "", (f"{vm.name}*",)) == ()


def test_folders(center: Center, client: VCenterClient, cloud: str) -> None:
    path = f"Viaduct/{cloud}"
    assert not client.folder_exists(center.site, path)
    client.ensure_folder(center.site, path)
    client.ensure_folder(center.site, path)
    assert client.folder_exists(center.site, path)
    client.delete_folder(center.site, path)
    client.delete_folder(center.site, path)
    assert not client.folder_exists(center.site, path)


def test_a_folder_takes_half_made_clones_along(center: Center, client: VCenterClient, cloud: str) -> None:
    center.server.control(
        "POST", "/faults", {"method": "ReconfigVM_Task", "fault": "TaskInProgress", "times": 1}
    )
    with pytest.raises(VCenterError):
        client.clone_node(center.site, cloud, NODE, {}, silent)
    client.delete_folder(center.site, f"Viaduct/{cloud}")
    assert f"{cloud}-node1" not in center.machine_names()


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"datacenter": "Elsewhere"}, "datacenter"),
        ({"template": "no-such-template"}, r"appliance\.template"),
    ],
)
def test_unknown_names_are_told_with_those_there_are(
    center: Center, client: VCenterClient, cloud: str, change: dict[str, str], field: str
) -> None:
    with pytest.raises(SiteFileError, match=field) as failure:
        client.clone_node(replace(center.site, **change), cloud, NODE, {}, silent)
    assert "Name one of those" in failure.value.remedy


def test_a_name_with_odd_characters_is_found_again(center: Center, client: VCenterClient, cloud: str) -> None:
    path = f"Viaduct/{cloud}/50% of it"
    client.ensure_folder(center.site, path)
    assert client.folder_exists(center.site, path)
    client.delete_folder(center.site, path)


def test_a_failed_clone_is_told_with_its_fault(center: Center, client: VCenterClient, cloud: str) -> None:
    center.server.control(
        "POST",
        "/faults",
        {"method": "CloneVM_Task", "fault": "NoDiskSpace", "message": "Insufficient disk space", "times": 1},
    )
    with pytest.raises(VCenterError, match="Insufficient disk space") as failure:
        client.clone_node(center.site, cloud, NODE, {}, silent)
    assert not failure.value.retryable
    if isinstance(failure.value, VCenterTaskFailed):
        assert failure.value.fault == "NoDiskSpace"
    assert "datastore" in failure.value.remedy


def test_several_nodes_are_cloned_side_by_side(center: Center, client: VCenterClient, cloud: str) -> None:
    wanted = [replace(NODE, name=f"node{i}") for i in range(3)]
    failed: list[BaseException] = []

    def work(index: int) -> None:
        try:
            client.clone_node(center.site, cloud, wanted[index], {}, silent)
        except BaseException as problem:
            failed.append(problem)

    threads = [threading.Thread(target=work, args=(i,)) for i in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert failed == []
    assert [vm.node for vm in client.nodes(cloud)] == ["node0", "node1", "node2"]
