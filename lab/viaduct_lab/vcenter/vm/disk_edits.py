"""Adding, changing and removing virtual disks: the part of device edits that concerns files."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from viaduct_lab.storage.paths import DatastorePath
from viaduct_lab.vcenter.core import faults
from viaduct_lab.vcenter.core.types import vim
from viaduct_lab.vcenter.vm.disk_actions import (
    AttachDisk,
    ChildDisk,
    CreateDisk,
    DestroyDisk,
    GrowDisk,
    SetDiskUuid,
)
from viaduct_lab.vcenter.vm.layout import Device

if TYPE_CHECKING:
    from viaduct_lab.vcenter.vm.edits import Edit

_d = vim.vm.device
_FLAT = _d.VirtualDisk.FlatVer2BackingInfo
_AS_FLAT = (
    _FLAT,
    _d.VirtualDisk.FlatVer1BackingInfo,
    _d.VirtualDisk.SparseVer1BackingInfo,
    _d.VirtualDisk.SparseVer2BackingInfo,
    _d.VirtualDisk.SeSparseBackingInfo,
)
KIB = 1024


def add(edit: Edit, disk: Device, change: Any, index: int) -> None:
    """Complete a new disk and note which file has to be made or found for it."""
    disk.backing = backing = _flat_backing(disk, index)
    capacity = disk.capacityInBytes or (disk.capacityInKB or 0) * KIB
    parent = getattr(backing.parent, "fileName", None)
    named = _named(backing)
    if parent:
        path = named or _free_path(edit, backing)
        source = DatastorePath.parse(parent)
        edit.actions.append(ChildDisk(disk.key, path, source, capacity))
    elif change.fileOperation in ("create", "replace") or named is None:
        path = named or _free_path(edit, backing)
        replace = change.fileOperation == "replace"
        if path in edit.named() and not replace:
            raise vim.fault.FileAlreadyExists(file=str(path), msg=f"The file {path} already exists.")
        edit.actions.append(_create(edit, disk, path, capacity, index, replace=replace))
    else:
        path = named
        if any(_named(d.backing) == path for d in edit.devices if isinstance(d, _d.VirtualDisk)):
            raise _invalid(index, "backing", f"the disk {path} is attached already.")
        edit.actions.append(AttachDisk(disk.key, path))
    backing.fileName = str(path)
    backing.diskMode = backing.diskMode or "persistent"


def change(edit: Edit, old: Device, changed: Device, sent: Device, spec: Any, index: int) -> None:
    """Note what an edited disk asks of its file: another file, growth, another uuid."""
    before, after = _named(old.backing), _named(changed.backing)
    if after is None or before is None:
        changed.backing.fileName = old.backing.fileName
        after = before
    capacity = _wanted_capacity(old, sent)
    if after != before and after is not None:
        if spec.fileOperation == "create":
            edit.actions.append(_create(edit, changed, after, capacity, index))
        else:
            edit.actions.append(AttachDisk(changed.key, after))
        return
    current = old.capacityInBytes or old.capacityInKB * KIB
    changed.capacityInBytes, changed.capacityInKB = capacity, capacity // KIB
    if after is None:
        return
    if capacity < current:
        raise _invalid(index, "capacityInKB", "a virtual disk cannot be made smaller.")
    if capacity > current:
        if edit.context.snapshots:
            raise vim.fault.InvalidDeviceOperation(
                badOp="edit",
                msg="A disk cannot be extended while the virtual machine has snapshots.",
                deviceIndex=index,
            )
        edit.actions.append(GrowDisk(changed.key, after, capacity))
    new_uuid = getattr(sent.backing, "uuid", None)
    if new_uuid and new_uuid != old.backing.uuid:
        edit.actions.append(SetDiskUuid(changed.key, after, new_uuid))


def remove(edit: Edit, disk: Device, spec: Any) -> None:
    """Note that the file goes, too, if the change says so."""
    path = _named(disk.backing)
    if spec.fileOperation == "destroy" and path is not None:
        edit.actions.append(DestroyDisk(path))


def _create(
    edit: Edit, disk: Device, path: DatastorePath, capacity: int, index: int, *, replace: bool = False
) -> CreateDisk:
    if capacity <= 0:
        raise _invalid(index, "capacityInKB", "the new disk has no size.")
    backing = disk.backing
    return CreateDisk(
        disk.key,
        path,
        capacity,
        bool(backing.thinProvisioned),
        bool(backing.eagerlyScrub),
        _adapter(edit, disk),
        replace,
    )


def _adapter(edit: Edit, disk: Device) -> str:
    controller = next((d for d in edit.devices if d.key == disk.controllerKey), None)
    if isinstance(controller, _d.VirtualIDEController):
        return "ide"
    if isinstance(controller, _d.VirtualBusLogicController):
        return "buslogic"
    return "lsilogic"


def _flat_backing(disk: Device, index: int) -> Any:
    backing = disk.backing
    if backing is None:
        return _FLAT(fileName="", diskMode="persistent")
    if isinstance(backing, _FLAT):
        return backing
    if not isinstance(backing, _AS_FLAT):
        raise faults.not_supported(
            f"Disks with a {type(backing)._wsdlName} backing are not simulated (device {index})."
        )
    return _FLAT(
        fileName=backing.fileName,
        datastore=backing.datastore,
        diskMode=backing.diskMode,
        thinProvisioned=True,
    )


def _named(backing: Any) -> DatastorePath | None:
    """The file that a backing names; None for ``""`` and ``[datastore]``."""
    name = getattr(backing, "fileName", None)
    if not name or not name.strip():
        return None
    path = DatastorePath.parse(name)
    return path if path.path else None


def _free_path(edit: Edit, backing: Any) -> DatastorePath:
    """A name for a new disk in the machine's folder, on the datastore that the backing wants."""
    folder = edit.context.folder
    if backing.fileName and backing.fileName.strip():
        folder = DatastorePath.of(DatastorePath.parse(backing.fileName).datastore, folder.path)
    elif backing.datastore is not None:
        name = edit.context.datastore_names.get(backing.datastore._moId)
        if name is None:
            raise faults.not_found(backing.datastore)
        folder = DatastorePath.of(name, folder.path)
    return free_disk_path(folder, edit.context.stem, edit.named())


def free_disk_path(
    folder: DatastorePath, stem: str, taken: set[DatastorePath] | frozenset[DatastorePath]
) -> DatastorePath:
    """``stem.vmdk``, or ``stem_1.vmdk`` and so on, whichever is not taken."""
    number = 0
    while True:
        path = folder / (f"{stem}_{number}.vmdk" if number else f"{stem}.vmdk")
        if path not in taken:
            return path
        number += 1


def _wanted_capacity(old: Device, sent: Device) -> int:
    """The capacity in bytes that a client asks for: whichever of the two fields differs."""
    current = int(old.capacityInBytes or old.capacityInKB * KIB)
    if sent.capacityInBytes and sent.capacityInBytes != current:
        return int(sent.capacityInBytes)
    if sent.capacityInKB and sent.capacityInKB != old.capacityInKB:
        return int(sent.capacityInKB) * KIB
    return current


def _invalid(index: int, prop: str, message: str) -> Exception:
    fault: Exception = vim.fault.InvalidDeviceSpec(
        deviceIndex=index,
        property=prop,
        msg=f"Invalid configuration for device '{index}': {message}",
    )
    return fault
