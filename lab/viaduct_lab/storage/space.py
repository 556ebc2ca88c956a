"""How full a datastore is."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from viaduct_lab.storage import descriptor
from viaduct_lab.storage.files import Files
from viaduct_lab.storage.paths import DatastorePath
from viaduct_lab.storage.sparse import occupied

_DESCRIPTOR_LIMIT = 64 << 10


@dataclass(frozen=True)
class Space:
    """Bytes used (a thick disk counts fully), and those that thin disks may still take."""

    used: int = 0
    uncommitted: int = 0


def measure(files: Files, datastore: str) -> Space:
    """Count everything on a datastore; blocks. Raises ``UnknownDatastore``."""
    used = uncommitted = 0
    root = files.stores.local(DatastorePath(datastore))
    for folder, folders, names in os.walk(root):
        used += sum(occupied(Path(folder, name)) for name in names)
        if "layers" in names and "upper" in folders:  # the inside of a system disk
            continue
        for name in names:
            disk = _descriptor(Path(folder, name)) if name.endswith(".vmdk") else None
            if disk is not None:
                taken = sum(occupied(Path(folder, e.file)) for e in disk.extents if e.file)
                rest = max(0, disk.capacity - taken)
                used, uncommitted = (used, uncommitted + rest) if disk.thin else (used + rest, uncommitted)
    return Space(used, uncommitted)


def _descriptor(path: Path) -> descriptor.Descriptor | None:
    try:
        if path.stat().st_size > _DESCRIPTOR_LIMIT:
            return None
        head = path.read_bytes()
        if not descriptor.is_descriptor(head):
            return None
        return descriptor.parse(head.decode("utf-8", "replace"))
    except (OSError, ValueError):
        return None
