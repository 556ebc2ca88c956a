"""Device edits as tables: devices and changes in, devices and file actions out."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from viaduct_lab.storage.paths import DatastorePath
from viaduct_lab.vcenter.core.types import vim
from viaduct_lab.vcenter.vm import addresses, layout
from viaduct_lab.vcenter.vm.disk_actions import (
    AttachDisk,
    ChildDisk,
    CreateDisk,
    DestroyDisk,
    GrowDisk,
    SetDiskUuid,
)
from viaduct_lab.vcenter.vm.edits import EditContext, apply_changes

d = vim.vm.device
Change = d.VirtualDeviceSpec
Flat = d.VirtualDisk.FlatVer2BackingInfo
FOLDER = DatastorePath.parse("[ds] vm")
CONTEXT = EditContext(FOLDER, "vm", datastore_names={"datastore-2": "other"})
KIB = 1024


def scsi(key: int = -10, cls: Any = d.ParaVirtualSCSIController, bus: int = 0) -> Any:
    return Change(operation="add", device=cls(key=key, busNumber=bus))


def disk(key: int = -1, controller: int | None = -10, unit: int | None = None, **fields: Any) -> Any:
    size = fields.pop("size", 4)
    operation = fields.pop("file_operation", "create")
    backing = Flat(**{"fileName": "", "diskMode": "persistent", **fields})
    device = d.VirtualDisk(
        key=key, controllerKey=controller, unitNumber=unit, capacityInKB=size, backing=backing
    )
    return Change(operation="add", fileOperation=operation, device=device)


def nic(key: int = -5, **fields: Any) -> Any:
    backing = d.VirtualEthernetCard.NetworkBackingInfo(deviceName="VM Network")
    return Change(operation="add", device=d.VirtualE1000(key=key, backing=backing, **fields))


def machine(*changes: Any) -> list[Any]:
    """Devices of a machine that ``changes`` were made to."""
    return apply_changes(layout.default_devices(), changes, CONTEXT).devices


def found(devices: list[Any], cls: Any) -> list[Any]:
    return [device for device in devices if isinstance(device, cls)]


def path(text: str) -> DatastorePath:
    return DatastorePath.parse(text)


def test_defaults_that_drivers_rely_on() -> None:
    devices = layout.default_devices()
    assert {dev.key for dev in found(devices, d.VirtualIDEController)} == {200, 201}
    assert len({dev.key for dev in devices}) == len(devices)
    assert all(dev.deviceInfo.label for dev in devices)


def test_disk_before_its_controller() -> None:
    """Temporary keys are resolved whatever the order of the changes."""
    edit = apply_changes(layout.default_devices(), [disk(), scsi()], CONTEXT)
    (made,) = found(edit.devices, d.VirtualDisk)
    (controller,) = found(edit.devices, d.ParaVirtualSCSIController)
    assert edit.keys == {-10: 1000, -1: 2000}
    assert (made.controllerKey, made.unitNumber, controller.device) == (1000, 0, [2000])
    assert edit.actions == [CreateDisk(2000, path("[ds] vm/vm.vmdk"), 4 * KIB, False, False, "lsilogic")]


@pytest.mark.parametrize(
    ("change", "action"),
    [
        (disk(), CreateDisk(2000, path("[ds] vm/vm.vmdk"), 4096, False, False, "lsilogic")),
        (
            disk(fileName="[two]", thinProvisioned=True),
            CreateDisk(2000, path("[two] vm/vm.vmdk"), 4096, True, False, "lsilogic"),
        ),
        (
            disk(fileName="[ds] dir/x.vmdk", eagerlyScrub=True),
            CreateDisk(2000, path("[ds] dir/x.vmdk"), 4096, False, True, "lsilogic"),
        ),
        (
            disk(datastore=vim.Datastore("datastore-2")),
            CreateDisk(2000, path("[other] vm/vm.vmdk"), 4096, False, False, "lsilogic"),
        ),
        (
            disk(fileName="[ds] a/b.vmdk", file_operation=None),
            AttachDisk(2000, path("[ds] a/b.vmdk")),
        ),
        (
            disk(parent=Flat(fileName="[ds] cache/i.vmdk", diskMode="persistent"), size=8),
            ChildDisk(2000, path("[ds] vm/vm.vmdk"), path("[ds] cache/i.vmdk"), 8192),
        ),
        (
            disk(controller=200),
            CreateDisk(3000, path("[ds] vm/vm.vmdk"), 4096, False, False, "ide"),
        ),
    ],
)
def test_new_disks(change: Any, action: Any) -> None:
    edit = apply_changes(layout.default_devices(), [scsi(), change], CONTEXT)
    assert edit.actions == [action]
    assert found(edit.devices, d.VirtualDisk)[0].backing.fileName == str(action.path)


def test_names_do_not_collide() -> None:
    context = EditContext(FOLDER, "vm", taken=frozenset({path("[ds] vm/vm.vmdk")}))
    changes = [scsi(), disk(-1), disk(-2), disk(-3)]
    edit = apply_changes(layout.default_devices(), changes, context)
    names = [a.path.name for a in edit.actions if isinstance(a, CreateDisk)]
    assert names == ["vm_1.vmdk", "vm_2.vmdk", "vm_3.vmdk"]


@pytest.mark.parametrize(
    ("changes", "where"),
    [
        ([disk(controller=4711)], 0),
        ([scsi(), disk(unit=7)], 1),
        ([scsi(), disk(unit=64)], 1),
        ([scsi(cls=d.VirtualLsiLogicController), disk(unit=16)], 1),
        ([scsi(), disk(-1, unit=2), disk(-2, unit=2)], 2),
        ([scsi(), disk(size=0)], 1),
        ([disk(-1, 200), disk(-2, 200), disk(-3, 200)], 2),
        ([nic(macAddress="01:00:00:00:00:00", addressType="manual")], 0),
        ([Change(operation="remove", device=d.VirtualDisk(key=2000, capacityInKB=0))], 0),
        ([Change(operation="edit", device=d.VirtualDisk(key=200, capacityInKB=0))], 0),
        ([Change(operation="add", device=d.VirtualE1000(key=-1))], 0),
        (
            [
                scsi(),
                disk(-1, fileName="[ds] a.vmdk", file_operation=None),
                disk(-2, fileName="[ds] a.vmdk", file_operation=None),
            ],
            2,
        ),
    ],
)
def test_refusals_name_the_change(changes: list[Any], where: int) -> None:
    with pytest.raises(vim.fault.InvalidDeviceSpec) as caught:
        apply_changes(layout.default_devices(), changes, CONTEXT)
    assert caught.value.deviceIndex == where


def test_other_backings_are_not_supported() -> None:
    change = disk()
    change.device.backing = d.VirtualDisk.RawDiskMappingVer1BackingInfo(fileName="")
    with pytest.raises(Exception, match="not simulated"):
        apply_changes(layout.default_devices(), [scsi(), change], CONTEXT)


def test_second_controller_gets_a_bus_of_its_own() -> None:
    devices = machine(scsi(-10), scsi(-11, d.VirtualLsiLogicController), disk(-1, -11))
    first, second = found(devices, d.VirtualSCSIController)
    assert (first.key, first.busNumber, second.key, second.busNumber) == (1000, 0, 1001, 1)
    assert found(devices, d.VirtualDisk)[0].key == 2016


def test_used_controller_cannot_go() -> None:
    devices = machine(scsi(), disk())
    controller = found(devices, d.ParaVirtualSCSIController)[0]
    gone = Change(operation="remove", device=controller)
    with pytest.raises(vim.fault.InvalidDeviceSpec):
        apply_changes(devices, [gone], CONTEXT)
    both = [Change(operation="remove", device=found(devices, d.VirtualDisk)[0]), gone]
    assert found(apply_changes(devices, both, CONTEXT).devices, d.VirtualSCSIController) == []


# -- edits -------------------------------------------------------------------------------------


def grown(devices: list[Any], **fields: Any) -> Any:
    old = found(devices, d.VirtualDisk)[0]
    new = d.VirtualDisk(key=old.key, capacityInKB=0, backing=copy.deepcopy(old.backing))
    for name, value in fields.items():
        setattr(new, name, value)
    return Change(operation="edit", device=new)


@pytest.mark.parametrize("fields", [{"capacityInKB": 8}, {"capacityInBytes": 8192}])
def test_growing(fields: dict[str, int]) -> None:
    devices = machine(scsi(), disk())
    edit = apply_changes(devices, [grown(devices, **fields)], CONTEXT)
    assert edit.actions == [GrowDisk(2000, path("[ds] vm/vm.vmdk"), 8192)]
    (changed,) = found(edit.devices, d.VirtualDisk)
    assert (changed.capacityInKB, changed.controllerKey, changed.unitNumber) == (8, 1000, 0)
    assert found(devices, d.VirtualDisk)[0].capacityInKB == 4, "the input was modified"


def test_edit_without_capacity_changes_nothing() -> None:
    devices = machine(scsi(), disk())
    assert apply_changes(devices, [grown(devices)], CONTEXT).actions == []


def test_uuid() -> None:
    devices = machine(scsi(), disk())
    change = grown(devices)
    change.device.backing.uuid = "some-uuid"
    edit = apply_changes(devices, [change], CONTEXT)
    assert edit.actions == [SetDiskUuid(2000, path("[ds] vm/vm.vmdk"), "some-uuid")]


@pytest.mark.parametrize(("operation", "count"), [("destroy", 1), (None, 0)])
def test_removal(operation: str | None, count: int) -> None:
    devices = machine(scsi(), disk())
    gone = Change(operation="remove", fileOperation=operation, device=found(devices, d.VirtualDisk)[0])
    edit = apply_changes(devices, [gone], CONTEXT)
    assert edit.actions == [DestroyDisk(path("[ds] vm/vm.vmdk"))] * count


def test_labels_fill_gaps() -> None:
    devices = machine(scsi(), disk(-1), disk(-2), disk(-3))
    second = found(devices, d.VirtualDisk)[1]
    changes = [Change(operation="remove", device=second), disk(-1, 1000)]
    edit = apply_changes(devices, changes, CONTEXT)
    labels = {x.deviceInfo.label for x in found(edit.devices, d.VirtualDisk)}
    assert labels == {"Hard disk 1", "Hard disk 2", "Hard disk 3"}


def test_adapter_keeps_its_address_when_moved() -> None:
    devices = machine(nic())
    (adapter,) = found(devices, d.VirtualEthernetCard)
    backing = d.VirtualEthernetCard.DistributedVirtualPortBackingInfo(
        port=vim.dvs.PortConnection(switchUuid="s", portgroupKey="p")
    )
    sent = d.VirtualE1000(key=adapter.key, backing=backing)
    edit = apply_changes(devices, [Change(operation="edit", device=sent)], CONTEXT)
    (moved,) = found(edit.devices, d.VirtualEthernetCard)
    assert (moved.macAddress, moved.backing.port.portgroupKey) == (adapter.macAddress, "p")
    assert edit.adapters_changed


@pytest.mark.parametrize(
    ("change", "allowed"),
    [
        (disk(controller=1000), True),
        (nic(), True),
        (scsi(-11), True),
        (disk(controller=200), False),
        (Change(operation="add", device=d.VirtualCdrom(key=-1, controllerKey=200)), False),
    ],
)
def test_running_machines(change: Any, allowed: bool) -> None:
    context = EditContext(FOLDER, "vm", powered_on=True)
    devices = machine(scsi())
    if allowed:
        apply_changes(devices, [change], context)
    else:
        with pytest.raises(vim.fault.InvalidPowerState):
            apply_changes(devices, [change], context)


@settings(max_examples=30, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(["add", "remove"]), st.integers(0, 9)), max_size=25))
def test_devices_stay_consistent(script: list[tuple[str, int]]) -> None:
    """Keys, units and labels are unique after any sequence of adding and removing disks."""
    devices = machine(scsi())
    for operation, number in script:
        present = found(devices, d.VirtualDisk)
        if operation == "add":
            devices = apply_changes(devices, [disk(-1 - number, 1000)], CONTEXT).devices
        elif present:
            gone = Change(operation="remove", device=present[number % len(present)])
            devices = apply_changes(devices, [gone], CONTEXT).devices
    disks = found(devices, d.VirtualDisk)
    for value in ("key", "unitNumber"):
        assert len({getattr(x, value) for x in disks}) == len(disks)
    assert len({x.deviceInfo.label for x in disks}) == len(disks)
    (controller,) = found(devices, d.ParaVirtualSCSIController)
    assert sorted(controller.device) == sorted(x.key for x in disks)


@given(st.text(max_size=20))
def test_mac_addresses(text: str) -> None:
    normal = addresses.normalized(text)
    assert normal is None or addresses.normalized(normal) == normal
    made = addresses.generate(())
    assert addresses.normalized(made) == made
    assert made.startswith("00:50:56:")
