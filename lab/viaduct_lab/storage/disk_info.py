"""What is known of a virtual disk."""

from __future__ import annotations

from dataclasses import dataclass

from viaduct_lab.storage.paths import DatastorePath


@dataclass(frozen=True)
class DiskInfo:
    """A disk as found. ``kind``: ``flat``, ``sparse`` (uploaded, hosted sparse) or ``system``.

    ``capacity`` and ``used`` in bytes; ``parent`` is the hint of a child disk.
    """

    path: DatastorePath
    kind: str
    capacity: int
    used: int
    thin: bool
    eager: bool
    uuid: str
    adapter: str
    parent: str | None
