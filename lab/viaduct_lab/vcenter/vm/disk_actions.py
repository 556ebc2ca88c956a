"""What a change of devices asks of the files on datastores, as data."""

from __future__ import annotations

from dataclasses import dataclass

from viaduct_lab.storage.paths import DatastorePath


@dataclass(frozen=True)
class CreateDisk:
    """Make an empty disk of ``capacity`` bytes for the device with ``key``.

    ``replace``: a disk of that path is deleted first.
    """

    key: int
    path: DatastorePath
    capacity: int
    thin: bool
    eager: bool
    adapter: str
    replace: bool = False


@dataclass(frozen=True)
class ChildDisk:
    """Make a disk with the bytes of ``parent`` (a linked clone), of at least ``capacity`` bytes."""

    key: int
    path: DatastorePath
    parent: DatastorePath
    capacity: int


@dataclass(frozen=True)
class AttachDisk:
    """Use a disk that exists."""

    key: int
    path: DatastorePath


@dataclass(frozen=True)
class GrowDisk:
    """Grow the disk to ``capacity`` bytes."""

    key: int
    path: DatastorePath
    capacity: int


@dataclass(frozen=True)
class SetDiskUuid:
    """Give the disk another uuid."""

    key: int
    path: DatastorePath
    uuid: str


@dataclass(frozen=True)
class DestroyDisk:
    """Delete the disk's files; done last, because it cannot be undone."""

    path: DatastorePath


Action = CreateDisk | ChildDisk | AttachDisk | GrowDisk | SetDiskUuid | DestroyDisk
