"""Which files a virtual machine has on datastores, measured once and shown in several properties."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from viaduct_lab.storage.errors import StorageError
from viaduct_lab.storage.files import Files
from viaduct_lab.storage.paths import DatastorePath
from viaduct_lab.storage.sparse import occupied, occupied_tree
from viaduct_lab.vcenter.core.types import Ref, vim
from viaduct_lab.vcenter.vm.summary_view import Usage


@dataclass(frozen=True)
class VmFile:
    """One file. ``kind`` as in FileLayoutEx (``config``, ``diskDescriptor``...); sizes in bytes."""

    path: DatastorePath
    kind: str
    size: int
    uncommitted: int = 0
    disk: DatastorePath | None = None


@dataclass(frozen=True)
class VmFiles:
    """The files of a machine as of ``measured``."""

    files: tuple[VmFile, ...] = ()
    measured: datetime | None = None

    def usage(self) -> Usage:
        """The sums that ``summary.storage`` shows."""
        return Usage(sum(f.size for f in self.files), sum(f.uncommitted for f in self.files))


def measure(
    files: Files, plain: dict[DatastorePath, str], disks: list[DatastorePath], now: datetime
) -> VmFiles:
    """Look at the files (``plain``: path -> kind); blocks. What is missing is left out."""
    found = []
    for path, kind in plain.items():
        if files.exists(path):
            found.append(VmFile(path, kind, occupied(files.stores.local(path))))
    for path in dict.fromkeys(disks):
        try:
            found += _disk_files(files, path)
        except (StorageError, OSError):
            continue
    return VmFiles(tuple(found), now)


def _disk_files(files: Files, path: DatastorePath) -> list[VmFile]:
    info = files.disks.info(path)
    found = []
    for part in files.disks.files(path):
        local = files.stores.local(part)
        size = occupied_tree(local) if local.is_dir() else occupied(local)
        if part == path:
            found.append(VmFile(part, "diskDescriptor", size, disk=path))
            continue
        committed = size if info.thin else max(size, info.capacity)
        rest = max(0, info.capacity - committed)
        found.append(VmFile(part, "diskExtent", committed, rest, disk=path))
    return found


def layout_ex(measured: VmFiles, disks: list[tuple[int, DatastorePath]], snapshots: Any) -> Any:
    """The property ``layoutEx``. ``snapshots``: (snapshot ref, its (device key, path) pairs)."""
    keys = {file.path: index for index, file in enumerate(measured.files)}
    by_disk: dict[DatastorePath, list[int]] = defaultdict(list)
    for file in measured.files:
        if file.disk is not None:
            by_disk[file.disk].append(keys[file.path])

    def chains(pairs: list[tuple[int, DatastorePath]]) -> list[Any]:
        return [
            vim.vm.FileLayoutEx.DiskLayout(
                key=key, chain=[vim.vm.FileLayoutEx.DiskUnit(fileKey=by_disk[path])]
            )
            for key, path in pairs
            if path in by_disk
        ]

    return vim.vm.FileLayoutEx(
        file=[
            vim.vm.FileLayoutEx.FileInfo(
                key=keys[file.path],
                name=str(file.path),
                type=file.kind,
                size=file.size,
                uniqueSize=file.size,
                backingObjectId="",
                accessible=True,
            )
            for file in measured.files
        ],
        disk=chains(disks),
        snapshot=[
            vim.vm.FileLayoutEx.SnapshotLayout(key=ref, dataKey=-1, memoryKey=-1, disk=chains(pairs))
            for ref, pairs in snapshots
        ],
        timestamp=measured.measured,
    )


def storage_info(measured: VmFiles, datastores: dict[str, Ref]) -> Any:
    """The property ``storage``. ``datastores``: name -> reference of those in use."""
    totals: dict[str, list[int]] = {name: [0, 0] for name in datastores}
    for file in measured.files:
        if file.path.datastore in totals:
            totals[file.path.datastore][0] += file.size
            totals[file.path.datastore][1] += file.uncommitted
    return vim.vm.StorageInfo(
        perDatastoreUsage=[
            vim.vm.StorageInfo.UsageOnDatastore(
                datastore=datastores[name], committed=used, uncommitted=rest, unshared=used
            )
            for name, (used, rest) in totals.items()
        ],
        timestamp=measured.measured,
    )
