"""Creating, changing, powering and destroying virtual machines."""

from __future__ import annotations

import time
from typing import Any

import pytest

from vcenter_vm.client import (
    MIB,
    Change,
    Lab,
    adapters,
    add_disk,
    device,
    disks,
    extra,
    of_type,
    vim,
)


def option(key: str, value: str) -> Any:
    return vim.option.OptionValue(key=key, value=value)


def test_created_machine_is_as_asked(lab: Lab) -> None:
    machine = lab.create(
        "web",
        add_disk(8 * MIB),
        lab.adapter("external"),
        numCPUs=2,
        memoryMB=512,
        extraConfig=[option("nvp.vm-uuid", "abc")],
        annotation="a note",
        managedBy=vim.ext.ManagedByInfo(extensionKey="org.openstack.compute", type="instance"),
    )
    config, summary = machine.config, machine.summary
    assert (config.hardware.numCPU, config.hardware.memoryMB) == (2, 512)
    assert config.files.vmPathName == "[compute-ds] web/web.vmx"
    assert (config.annotation, config.managedBy.extensionKey) == ("a note", "org.openstack.compute")
    assert extra(machine) == {"nvp.vm-uuid": "abc"}
    assert machine.runtime.host in lab.cluster().host
    assert machine.resourcePool == lab.cluster().resourcePool
    assert machine.datastore == [lab.datastore()]
    assert machine.network == [lab.network("external")]
    assert machine in lab.network("external").vm
    assert machine in lab.datastore().vm
    assert machine in lab.cluster().resourcePool.vm
    assert summary.config.numVirtualDisks == 1
    assert summary.runtime.powerState == "poweredOff"
    assert summary.guest.toolsRunningStatus == "guestToolsNotRunning"
    assert machine.resourceConfig.cpuAllocation.shares.shares == 2000
    keys = {d.key for d in config.hardware.device}
    assert {100, 200, 201, 300, 400, 1000, 2000, 4000} <= keys


def test_disk_and_its_controller_know_each_other(lab: Lab) -> None:
    machine = lab.create("vm", add_disk(MIB), add_disk(2 * MIB, unit=1))
    first, second = disks(machine)
    (controller,) = of_type(machine, device.VirtualSCSIController)
    assert controller.device == [first.key, second.key]
    assert (controller.key, controller.busNumber, controller.scsiCtlrUnitNumber) == (1000, 0, 7)
    assert first.backing.fileName == "[compute-ds] vm/vm.vmdk"
    assert second.backing.fileName == "[compute-ds] vm/vm_1.vmdk"
    assert (first.capacityInKB, second.capacityInBytes) == (1024, 2 * MIB)
    assert first.backing.datastore == lab.datastore()
    assert first.backing.uuid != second.backing.uuid
    assert lab.flat(second).stat().st_size == 2 * MIB


def test_folder_of_same_name_is_not_shared(lab: Lab) -> None:
    lab.content.fileManager.MakeDirectory("[compute-ds] vm", lab.datacenter)
    machine = lab.create("vm")
    assert machine.config.files.vmPathName == "[compute-ds] vm_1/vm_1.vmx"
    lab.wait(lab.content.fileManager.DeleteDatastoreFile_Task("[compute-ds] vm", lab.datacenter))


@pytest.mark.parametrize(
    ("fields", "fault"),
    [
        ({"memoryMB": 3}, "InvalidArgument"),
        ({"numCPUs": 0}, "InvalidArgument"),
        ({"files": vim.vm.FileInfo(vmPathName="[nowhere]")}, "InvalidDatastore"),
        ({"files": vim.vm.FileInfo(vmPathName="[management-ds]")}, "NoCompatibleHost"),
        ({"files": vim.vm.FileInfo(vmPathName="[compute-ds] ../up/x.vmx")}, "InvalidDatastorePath"),
        ({"name": ""}, "InvalidName"),
    ],
)
def test_refused_create_leaves_nothing(lab: Lab, fields: dict[str, Any], fault: str) -> None:
    with pytest.raises(Exception) as caught:
        lab.create(**{"name": "bad", **fields})
    assert type(caught.value).__name__.endswith(fault), caught.value
    assert lab.machines() == []


def test_failing_disk_leaves_nothing(lab: Lab) -> None:
    attach = add_disk(MIB, unit=1, file="[compute-ds] nothing/there.vmdk")
    attach.fileOperation = None
    with pytest.raises(vim.fault.FileNotFound):
        lab.create("bad", add_disk(MIB), attach)
    assert list(lab.server.config.datastores_dir.rglob("*.vmdk")) == []


def test_names_are_unique_in_a_folder(lab: Lab) -> None:
    machine = lab.create("one")
    with pytest.raises(vim.fault.DuplicateName) as caught:
        lab.create("one")
    assert caught.value.object == machine
    other = lab.create("two")
    with pytest.raises(vim.fault.DuplicateName):
        lab.wait(other.Rename_Task("one"))
    lab.wait(other.Rename_Task("three"))
    assert (other.name, other.config.name) == ("three", "three")
    assert other.config.files.vmPathName == "[compute-ds] two/two.vmx"


# -- reconfiguring -----------------------------------------------------------------------------


def test_extra_config_is_merged_and_removed(lab: Lab) -> None:
    machine = lab.create("vm", extraConfig=[option("a", "1"), option("b", "2")])
    lab.reconfigure(machine, extraConfig=[option("b", ""), option("c", "3"), option("a", "x")])
    assert extra(machine) == {"a": "x", "c": "3"}


def test_disk_grows_and_never_shrinks(lab: Lab) -> None:
    machine = lab.create("vm", add_disk(MIB))
    (disk,) = disks(machine)
    lab.flat(disk).write_bytes(b"\7" * MIB)
    disk.capacityInKB = 3 * 1024
    lab.reconfigure(machine, Change(operation="edit", device=disk))
    (disk,) = disks(machine)
    assert disk.capacityInBytes == 3 * MIB
    assert lab.flat(disk).read_bytes() == b"\7" * MIB + bytes(2 * MIB)
    disk.capacityInKB, disk.capacityInBytes = 1024, MIB
    with pytest.raises(vim.fault.InvalidDeviceSpec):
        lab.reconfigure(machine, Change(operation="edit", device=disk))


def test_detach_keeps_the_file_and_destroy_deletes_it(lab: Lab) -> None:
    machine = lab.create("vm", add_disk(MIB), add_disk(MIB, unit=1))
    first, second = disks(machine)
    lab.reconfigure(machine, Change(operation="remove", device=first))
    lab.reconfigure(machine, Change(operation="remove", fileOperation="destroy", device=second))
    assert disks(machine) == []
    assert lab.flat(first).exists()
    assert not lab.flat(second).exists()
    again = add_disk(file=first.backing.fileName)
    again.device.controllerKey, again.fileOperation = 1000, None
    lab.reconfigure(machine, again)
    (disk,) = disks(machine)
    assert (disk.capacityInBytes, disk.backing.uuid) == (MIB, first.backing.uuid)


def test_disk_uuid_can_be_set(lab: Lab) -> None:
    """Cinder gives a volume's disk the volume's id."""
    machine = lab.create("vm", add_disk(MIB))
    (disk,) = disks(machine)
    disk.backing.uuid = "11111111-2222-3333-4444-555555555555"
    lab.reconfigure(machine, Change(operation="edit", device=disk))
    assert disks(machine)[0].backing.uuid == "11111111-2222-3333-4444-555555555555"


def test_nothing_changes_when_one_device_is_wrong(lab: Lab) -> None:
    machine = lab.create("vm")
    good = add_disk(MIB)
    good.device.controllerKey = 1000
    bad = add_disk(MIB, unit=1)
    bad.device.controllerKey = 1001
    with pytest.raises(vim.fault.InvalidDeviceSpec) as caught:
        lab.reconfigure(machine, good, bad, numCPUs=4)
    assert caught.value.deviceIndex == 1
    assert (disks(machine), machine.config.hardware.numCPU) == ([], 1)


def test_hot_add_rules(lab: Lab) -> None:
    machine = lab.create("vm", memoryHotAddEnabled=True)
    lab.wait(machine.PowerOn())
    with pytest.raises(vim.fault.InvalidPowerState):
        lab.reconfigure(machine, numCPUs=2)
    lab.reconfigure(machine, memoryMB=512)
    with pytest.raises(vim.fault.InvalidPowerState):
        lab.reconfigure(machine, memoryMB=256)
    drive = device.VirtualCdrom(
        key=-1,
        controllerKey=200,
        backing=device.VirtualCdrom.RemotePassthroughBackingInfo(deviceName=""),
    )
    with pytest.raises(vim.fault.InvalidPowerState):
        lab.reconfigure(machine, Change(operation="add", device=drive))
    hot = add_disk(MIB)
    hot.device.controllerKey = 1000
    lab.reconfigure(machine, hot, lab.adapter("management"))
    assert adapters(machine)[0].connectable.connected
    assert machine.config.hardware.memoryMB == 512


def test_stale_change_version_is_refused(lab: Lab) -> None:
    machine = lab.create("vm")
    version = machine.config.changeVersion
    lab.reconfigure(machine, changeVersion=version, numCPUs=2)
    with pytest.raises(vim.fault.ConcurrentAccess):
        lab.reconfigure(machine, changeVersion=version, numCPUs=3)


def test_iso_must_exist(lab: Lab) -> None:
    machine = lab.create("vm")
    backing = device.VirtualCdrom.IsoBackingInfo(fileName="[compute-ds] vm/config.iso")
    change = Change(operation="add", device=device.VirtualCdrom(key=-1, controllerKey=200, backing=backing))
    with pytest.raises(vim.fault.FileNotFound):
        lab.reconfigure(machine, change)
    assert lab.http("PUT", lab.folder_url("vm/config.iso"), b"iso")[0] == 201
    lab.reconfigure(machine, change)
    (drive,) = of_type(machine, device.VirtualCdrom)
    assert (drive.key, drive.controllerKey, drive.unitNumber) == (3000, 200, 0)
    assert lab.http("DELETE", lab.folder_url("vm/config.iso"))[0] == 204


# -- power -------------------------------------------------------------------------------------


def test_power_states(lab: Lab) -> None:
    machine = lab.create("vm", lab.adapter("management"))
    with pytest.raises(vim.fault.InvalidPowerState):
        lab.wait(machine.PowerOff())
    lab.wait(machine.PowerOn())
    assert machine.runtime.powerState == "poweredOn"
    assert machine.runtime.bootTime is not None
    assert machine.guest.toolsStatus == "toolsOk"
    assert adapters(machine)[0].connectable.connected
    with pytest.raises(vim.fault.InvalidPowerState) as caught:
        lab.wait(machine.PowerOn())
    assert caught.value.existingState == "poweredOn"
    with pytest.raises(vim.fault.InvalidPowerState):
        lab.wait(machine.Destroy_Task())
    lab.wait(machine.Suspend())
    assert machine.runtime.powerState == "suspended"
    lab.wait(machine.PowerOn())
    lab.wait(machine.ResetVM_Task())
    lab.wait(machine.PowerOff())
    assert machine.guest.toolsRunningStatus == "guestToolsNotRunning"


def test_guest_shutdown_powers_off(lab: Lab) -> None:
    machine = lab.create("vm")
    with pytest.raises(vim.fault.InvalidPowerState):
        machine.ShutdownGuest()
    lab.wait(machine.PowerOn())
    machine.RebootGuest()
    machine.ShutdownGuest()
    end = time.monotonic() + 10
    while machine.runtime.powerState != "poweredOff":
        assert time.monotonic() < end
        time.sleep(0.05)
    assert machine.runtime.cleanPowerOff


def test_console_tickets(lab: Lab) -> None:
    machine = lab.create("vm")
    lab.wait(machine.PowerOn())
    ticket = machine.AcquireTicket("mks")
    assert (ticket.host, ticket.cfgFile) == (
        machine.runtime.host.name,
        machine.config.files.vmPathName,
    )
    assert machine.AcquireTicket("webmks").url.startswith("wss://")


# -- the end -----------------------------------------------------------------------------------


def test_unregistered_machine_comes_back(lab: Lab) -> None:
    machine = lab.create("vm", add_disk(MIB), extraConfig=[option("a", "1")])
    (disk,), instance = disks(machine), machine.config.instanceUuid
    lab.flat(disk).write_bytes(b"\5" * MIB)
    path = machine.config.files.vmPathName
    machine.UnregisterVM()
    assert lab.machines() == []
    back = lab.wait(
        lab.datacenter.vmFolder.RegisterVM_Task(path=path, asTemplate=False, pool=lab.cluster().resourcePool)
    )
    assert (back.name, back.config.instanceUuid, extra(back)) == ("vm", instance, {"a": "1"})
    assert lab.flat(disks(back)[0]).read_bytes() == b"\5" * MIB


def test_destroy_takes_disks_elsewhere_along(lab: Lab) -> None:
    lab.content.fileManager.MakeDirectory("[shared-ds] volumes", lab.datacenter)
    machine = lab.create("vm", add_disk(MIB, file="[shared-ds] volumes/v.vmdk"))
    assert lab.local("[shared-ds] volumes/v-flat.vmdk").exists()
    lab.wait(machine.Destroy_Task())
    assert not lab.local("[shared-ds] volumes").exists()


def test_space_is_accounted(lab: Lab) -> None:
    store = lab.datastore()
    store.RefreshDatastore()
    before, less = store.summary.freeSpace, store.summary.uncommitted
    lab.create("vm", add_disk(64 * MIB), add_disk(32 * MIB, unit=1, thinProvisioned=False))
    store.RefreshDatastore()
    assert before - store.summary.freeSpace >= 32 * MIB
    assert store.summary.uncommitted - less == 64 * MIB
    with pytest.raises(vim.fault.NoDiskSpace):
        lab.create("huge", add_disk(3 << 40, thinProvisioned=False))
