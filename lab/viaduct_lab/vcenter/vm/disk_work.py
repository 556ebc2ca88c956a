"""Carrying out the file actions of a device edit; a failed one leaves no file behind."""

from __future__ import annotations

from collections.abc import Sequence

from viaduct_lab.storage.disk_info import DiskInfo
from viaduct_lab.storage.errors import NotFound, StorageError
from viaduct_lab.storage.files import Files
from viaduct_lab.storage.paths import DatastorePath
from viaduct_lab.vcenter.core.types import Ref, vim
from viaduct_lab.vcenter.vm.disk_actions import (
    Action,
    AttachDisk,
    ChildDisk,
    CreateDisk,
    DestroyDisk,
    GrowDisk,
    SetDiskUuid,
)
from viaduct_lab.vcenter.vm.layout import Device


def perform(files: Files, actions: Sequence[Action]) -> dict[int, DiskInfo]:
    """Do ``actions``; blocks. Returns what is now known of each disk, by device key.

    Disks are destroyed last, and only when all else worked. On an error the disks that were made are deleted.
    """
    made: list[DatastorePath] = []
    found: dict[int, DiskInfo] = {}
    try:
        for action in actions:
            if not isinstance(action, DestroyDisk):
                _perform(files, action, made)
                found[action.key] = files.disks.info(action.path)
    except BaseException:
        discard(files, made)
        raise
    for action in actions:
        if isinstance(action, DestroyDisk) and action.path not in made:
            discard(files, [action.path])
    return found


def discard(files: Files, paths: Sequence[DatastorePath]) -> None:
    """Delete disks as far as they are there."""
    for path in paths:
        try:
            files.disks.delete(path)
        except (StorageError, OSError):
            continue


def _perform(files: Files, action: Action, made: list[DatastorePath]) -> None:
    disks = files.disks
    match action:
        case CreateDisk():
            _folder(files, action.path)
            if action.replace:
                discard(files, [action.path])
            options = {"thin": action.thin, "eager": action.eager}
            disks.create(action.path, action.capacity, adapter=action.adapter, **options)
            made.append(action.path)
        case ChildDisk():
            _folder(files, action.path)
            disks.copy(action.parent, action.path, child=True, thin=True)
            made.append(action.path)
            if action.capacity > disks.info(action.path).capacity:
                disks.extend(action.path, action.capacity)
        case AttachDisk():
            disks.flatten(action.path)
        case GrowDisk():
            disks.extend(action.path, action.capacity)
        case SetDiskUuid():
            disks.change(action.path, uuid=action.uuid)


def _folder(files: Files, path: DatastorePath) -> None:
    if path.parent.path and not files.exists(path.parent):
        if "/" in path.parent.path:
            raise NotFound(path.parent)
        files.make_folder(path.parent)


def fill(disk: Device, info: DiskInfo, datastore: Ref) -> None:
    """Show in a VirtualDisk what is known of its file."""
    disk.capacityInKB, disk.capacityInBytes = info.capacity // 1024, info.capacity
    backing = disk.backing
    backing.fileName = str(info.path)
    backing.datastore = datastore
    backing.uuid = info.uuid
    backing.thinProvisioned = info.thin
    backing.eagerlyScrub = info.eager
    backing.split, backing.writeThrough = False, False
    backing.contentId = backing.contentId or info.uuid.replace("-", "")
    backing.digestEnabled = False
    backing.sharing = backing.sharing or "sharingNone"
    disk.nativeUnmanagedLinkedClone = None
    if disk.diskObjectId is None:
        disk.diskObjectId = f"1-{disk.key}"
    if disk.shares is None:
        disk.shares = vim.SharesInfo(level="normal", shares=1000)
    if disk.storageIOAllocation is None:
        disk.storageIOAllocation = vim.StorageResourceManager.IOAllocationInfo(
            limit=-1, shares=disk.shares, reservation=0
        )
    if disk.deviceInfo is not None:
        disk.deviceInfo.summary = f"{disk.capacityInKB:,} KB"
