"""Which disks a clone gets, and where: a pure plan."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from viaduct_lab.storage.paths import DatastorePath
from viaduct_lab.vcenter.core import faults
from viaduct_lab.vcenter.core.types import vim
from viaduct_lab.vcenter.vm import layout
from viaduct_lab.vcenter.vm.disk_edits import free_disk_path
from viaduct_lab.vcenter.vm.layout import Device
from viaduct_lab.vcenter.vm.snapshot_tree import file_name

CHILD = "createNewChildDiskBacking"
SHARE = "moveAllDiskBackingsAndAllowSharing"


@dataclass(frozen=True)
class DiskCopy:
    """Make ``target`` from ``source``; ``thin``/``eager`` None: as the source is."""

    key: int
    source: DatastorePath
    target: DatastorePath
    child: bool
    thin: bool | None = None
    eager: bool | None = None


@dataclass(frozen=True)
class Destination:
    """Where disks go: ``folder`` (on the default datastore), and per disk key another datastore.

    ``default``: datastore name for all disks, or None to stay on the disk's own.
    """

    folder: DatastorePath
    stem: str
    default: str | None
    move_type: str | None = None
    locators: Mapping[int, Any] = field(default_factory=dict)
    datastore_names: Mapping[str, str] = field(default_factory=dict)


def plan(devices: Sequence[Device], destination: Destination) -> tuple[list[Device], list[DiskCopy]]:
    """(devices of the clone, the copies they need). Adapters lose their port, generated MACs too."""
    made = [copy.deepcopy(device) for device in devices]
    copies: list[DiskCopy] = []
    for disk in layout.disks(made):
        step = _copy(disk, destination, {c.target for c in copies})
        parent = copy.deepcopy(disk.backing) if step.child else None
        disk.backing.fileName = str(step.target)
        disk.backing.parent = parent
        disk.diskObjectId = None
        copies.append(step)
    for adapter in layout.adapters(made):
        port = getattr(adapter.backing, "port", None)
        if port is not None:
            port.portKey = port.connectionCookie = None
        if (adapter.addressType or "").lower() != "manual":
            adapter.macAddress = ""
        if adapter.connectable is not None:
            adapter.connectable.connected = False
    return made, copies


def _copy(disk: Device, to: Destination, taken: set[DatastorePath]) -> DiskCopy:
    source = DatastorePath.parse(file_name(disk))
    locator = to.locators.get(disk.key)
    name = to.default or source.datastore
    move_type = to.move_type
    thin = eager = None
    if locator is not None:
        if locator.datastore is not None:
            name = datastore_name(to, locator.datastore)
        move_type = locator.diskMoveType or move_type
        backing = locator.diskBackingInfo
        if backing is not None:
            thin = getattr(backing, "thinProvisioned", None)
            eager = getattr(backing, "eagerlyScrub", None)
    folder = DatastorePath.of(name, to.folder.path)
    target = free_disk_path(folder, to.stem, taken)
    return DiskCopy(disk.key, source, target, move_type == CHILD, thin, eager)


def translated(changes: Sequence[Any], before: Sequence[Device], after: Sequence[Device]) -> list[Any]:
    """Device changes that a client wrote with the source's devices at hand, for those of the clone.

    What a client sends back unchanged, a disk's file name or a generated MAC address, means "as it is",
    not "the source's".
    """
    old = {device.key: device for device in before}
    new = {device.key: device for device in after}
    return [_translated(change, old, new) for change in changes]


def _translated(change: Any, old: Mapping[int, Device], new: Mapping[int, Device]) -> Any:
    device = change.device
    known = old.get(device.key) if device is not None else None
    if change.operation != "edit" or known is None or not isinstance(device, type(known)):
        return change
    change, mine = copy.deepcopy(change), new[device.key]
    device = change.device
    if isinstance(device, vim.vm.device.VirtualDisk) and device.backing is not None:
        if device.backing.fileName == known.backing.fileName:
            device.backing = copy.deepcopy(mine.backing)
    elif isinstance(device, vim.vm.device.VirtualEthernetCard):
        if device.macAddress == known.macAddress:
            device.macAddress, device.addressType = mine.macAddress, mine.addressType
        port = getattr(device.backing, "port", None)
        before = getattr(known.backing, "port", None)
        if port is not None and before is not None and port.portKey == before.portKey:
            port.portKey = port.connectionCookie = None
    return change


def datastore_name(to: Destination, ref: Any) -> str:
    """The name of a datastore. Raises ``ManagedObjectNotFound``."""
    name = to.datastore_names.get(ref._moId)
    if name is None:
        raise faults.not_found(ref)
    return name


def locators(spec: Any) -> dict[int, Any]:
    """The disk locators of a RelocateSpec by disk key."""
    return {locator.diskId: locator for locator in spec.disk}


def serial_moved(devices: Sequence[Device], old: DatastorePath, new: DatastorePath) -> None:
    """Let serial ports that write into the old folder write into the new one."""
    for device in devices:
        name = getattr(device.backing, "fileName", None)
        if isinstance(device, vim.vm.device.VirtualSerialPort) and name:
            path = DatastorePath.parse(name)
            if path.parent == old:
                device.backing.fileName = str(new / path.name)
