"""Virtual disks on datastores, as real bytes.

A disk is named by its descriptor, ``X.vmdk``. Its content lies beside it: raw bytes in the sparse
file ``X-flat.vmdk``, or, for a clone of the appliance, a root file system in the folder
``X-system``. A hosted sparse or streamOptimized file uploaded under the name ``X.vmdk`` is a disk,
too: it is kept as it came, and becomes flat when it is copied or used.

Simplified: a child disk (linked clone, snapshot delta) names its parent in its descriptor but holds
all bytes itself (a sparse copy; shared extents where the file system can), so reading never
follows parents.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from viaduct_lab.storage import descriptor as text
from viaduct_lab.storage import system
from viaduct_lab.storage.convert import (
    ConversionFailed,
    sparse_capacity,
    to_raw,
    to_stream_optimized,
)
from viaduct_lab.storage.descriptor import Descriptor, Extent
from viaduct_lab.storage.disk_info import DiskInfo
from viaduct_lab.storage.errors import Exists, InvalidDisk, NotFound
from viaduct_lab.storage.paths import DatastorePath, Datastores
from viaduct_lab.storage.sparse import copy_file, occupied, occupied_tree


@dataclass(frozen=True)
class Disks:
    """Makes and changes disks. Methods block while bytes are copied: call them off the event loop.

    All raise :class:`~viaduct_lab.storage.errors.StorageError` subclasses or ``OSError``.
    """

    stores: Datastores

    def create(
        self,
        path: DatastorePath,
        capacity: int,
        *,
        thin: bool = True,
        eager: bool = False,
        adapter: str = "lsilogic",
    ) -> Descriptor:
        """A new empty disk of ``capacity`` bytes (rounded up to sectors)."""
        if capacity < 0:
            raise InvalidDisk(path, "its capacity is negative")
        self._new(path)
        flat = self._flat(path)
        with self.stores.local(flat).open("wb") as file:
            file.truncate(text.sectors(capacity) * text.SECTOR)
        disk = Descriptor(
            (Extent(text.sectors(capacity), "VMFS", flat.name),),
            text.new_cid(),
            text.new_uuid(),
            thin and not eager,
            eager,
            adapter,
        )
        self._write(path, disk)
        return disk

    def create_system(self, path: DatastorePath, capacity: int, layers: tuple[Path, ...]) -> Descriptor:
        """A disk whose content is a root file system: read-only ``layers`` under an empty upper."""
        self._new(path)
        folder = f"{path.stem}-system"
        system.create(self.stores.local(path.sibling(folder)), layers)
        disk = Descriptor(
            (Extent(text.sectors(capacity), "ZERO", None),),
            text.new_cid(),
            text.new_uuid(),
            adapter="lsilogic",
            system=folder,
        )
        self._write(path, disk)
        return disk

    def info(self, path: DatastorePath) -> DiskInfo:
        """What the disk is. Raises ``NotFound`` or ``InvalidDisk``."""
        capacity = self._sparse(path)
        if capacity is not None:
            used = occupied(self.stores.local(path))
            return DiskInfo(path, "sparse", capacity, used, True, False, "", "lsilogic", None)
        disk = self.read(path)
        kind = "system" if disk.system is not None else "flat"
        used = sum(self._used(file) for file in self.files(path))
        return DiskInfo(
            path,
            kind,
            disk.capacity,
            used,
            disk.thin,
            disk.eager,
            disk.uuid,
            disk.adapter,
            disk.parent_hint,
        )

    def read(self, path: DatastorePath) -> Descriptor:
        """The disk's descriptor. Raises ``NotFound`` or ``InvalidDisk`` (a sparse file, too)."""
        local = self._existing(path)
        with local.open("rb") as file:
            head = file.read(64 << 10)
        if not text.is_descriptor(head):
            raise InvalidDisk(path, "it is neither a descriptor nor a sparse extent")
        try:
            disk = text.parse(head.decode("utf-8", "replace"))
        except ValueError as error:
            raise InvalidDisk(path, str(error)) from error
        for extent in disk.extents:
            if extent.file is not None and "/" in extent.file:
                raise InvalidDisk(path, "an extent lies outside its folder")
        return disk

    def files(self, path: DatastorePath) -> tuple[DatastorePath, ...]:
        """Everything that belongs to the disk, its descriptor first. Missing parts are left out."""
        self._existing(path)
        if self._sparse(path) is not None:
            return (path,)
        try:
            disk = self.read(path)
        except InvalidDisk:
            return (path,)
        names = [extent.file for extent in disk.extents if extent.file] + [disk.system or ""]
        parts = [path.sibling(name) for name in names if name and name != path.name]
        return (path, *(part for part in parts if self._present(part)))

    def delete(self, path: DatastorePath) -> None:
        """Remove the disk and all that belongs to it. Raises ``NotFound``."""
        for file in reversed(self.files(path)):
            local = self.stores.local(file)
            if local.is_dir():
                shutil.rmtree(local)
            else:
                local.unlink(missing_ok=True)

    def move(self, source: DatastorePath, target: DatastorePath, force: bool = False) -> None:
        """Rename the disk with its content, also between datastores. Raises ``Exists``."""
        if source == target:
            return
        self._replaceable(source, target, force)
        if self._sparse(source) is not None:
            shutil.move(self.stores.local(source), self.stores.local(target))
            return
        disk = self.flatten(source)
        if disk.system is not None:
            moved = replace(disk, system=f"{target.stem}-system")
            self._rename(source.sibling(disk.system), target.sibling(moved.system or ""))
        else:
            flat = self._flat(target)
            self._rename(self._only_flat(source, disk), flat)
            moved = replace(disk, extents=(replace(disk.extents[0], file=flat.name),))
        self._write(target, moved)
        self.stores.local(source).unlink()

    def copy(
        self,
        source: DatastorePath,
        target: DatastorePath,
        *,
        thin: bool | None = None,
        eager: bool | None = None,
        adapter: str | None = None,
        force: bool = False,
        child: bool = False,
        uuid: str | None = None,
    ) -> Descriptor:
        """A flat copy, whatever the source's format was, with a ``uuid`` of its own by default.

        ``child``: the copy names ``source`` as its parent.
        """
        self._existing(source)
        self._replaceable(source, target, force)
        disk = self._copied(source, target)
        made = replace(
            disk,
            cid=text.new_cid(),
            uuid=uuid or text.new_uuid(),
            thin=disk.thin if thin is None else thin,
            eager=disk.eager if eager is None else eager,
            adapter=adapter or disk.adapter,
            create_type="vmfs",
            parent_cid=disk.cid if child else text.NO_PARENT,
            parent_hint=self._hint(source, target) if child else None,
        )
        self._write(target, made)
        return made

    def extend(self, path: DatastorePath, capacity: int) -> Descriptor:
        """Grow the disk to ``capacity`` bytes. Raises ``InvalidDisk`` if that would shrink it."""
        disk = self.flatten(path)
        if capacity < disk.capacity:
            raise InvalidDisk(path, "a virtual disk cannot be made smaller")
        grown = disk.resized(capacity)
        if disk.system is None:
            local = self.stores.local(self._only_flat(path, disk))
            os.truncate(local, max(local.stat().st_size, grown.capacity))
        self._write(path, grown)
        return grown

    def change(self, path: DatastorePath, **fields: object) -> Descriptor:
        """Replace fields of the descriptor: ``thin``, ``eager``, ``uuid``, ``adapter``."""
        changed: Descriptor = replace(self.flatten(path), **fields)  # type: ignore[arg-type]
        self._write(path, changed)
        return changed

    def absorb(self, base: DatastorePath, child: DatastorePath) -> None:
        """Consolidate: give ``base`` the child's content, size and uuid; remove the child."""
        below, above = self.flatten(base), self.flatten(child)
        if above.system is not None and below.system is not None:
            shutil.rmtree(self.stores.local(base.sibling(below.system)))
            self._rename(child.sibling(above.system), base.sibling(below.system))
            merged = replace(below, extents=above.extents, uuid=above.uuid)
        else:
            flat = self._only_flat(base, below)
            self._rename(self._only_flat(child, above), flat)
            extents = (replace(above.extents[0], file=flat.name),)
            merged = replace(below, extents=extents, cid=above.cid, uuid=above.uuid)
        self._write(base, merged)
        self.stores.local(child).unlink()

    def flatten(self, path: DatastorePath) -> Descriptor:
        """Make sure that the disk is one flat extent (or a system disk), converting it in place."""
        if self._sparse(path) is None:
            disk = self.read(path)
            plain = len(disk.extents) == 1 and disk.extents[0].kind in ("VMFS", "FLAT")
            if disk.system is not None or plain:
                return disk
        temporary = path.sibling(f"{path.stem}-flattened.vmdk")
        self.copy(path, temporary, force=True)
        self.delete(path)
        self.move(temporary, path)
        return self.read(path)

    def flat_file(self, path: DatastorePath) -> Path:
        """The real file with the disk's raw bytes. Raises ``InvalidDisk`` for a system disk."""
        disk = self.flatten(path)
        if disk.system is not None:
            raise InvalidDisk(path, "it holds an appliance's file system, which is not a byte image")
        return self.stores.local(self._only_flat(path, disk))

    def system_folder(self, path: DatastorePath) -> Path | None:
        """The folder of a system disk; None for a disk of bytes. Raises ``NotFound``."""
        if self._sparse(path) is not None:
            return None
        name = self.read(path).system
        return self.stores.local(path.sibling(name)) if name is not None else None

    def load(self, path: DatastorePath, upload: Path) -> Descriptor:
        """Fill the flat disk ``path`` from an uploaded VMDK, which may be larger than the disk was.

        Raises ``InvalidDisk`` when the upload cannot be read.
        """
        disk = self.read(path)
        flat = self.stores.local(self._only_flat(path, disk))
        partial = flat.with_name(f".{flat.name}.part")
        self._convert(path, upload, partial)
        if partial.stat().st_size < disk.capacity:
            os.truncate(partial, disk.capacity)
        loaded = disk.resized(partial.stat().st_size)
        partial.rename(flat)
        self._write(path, replace(loaded, cid=text.new_cid()))
        return loaded

    def export(self, path: DatastorePath, target: Path) -> None:
        """Write the disk as a streamOptimized VMDK to the real file ``target``."""
        source, disk = self.flat_file(path), self.read(path)
        if source.stat().st_size < disk.capacity:
            os.truncate(source, disk.capacity)
        try:
            to_stream_optimized(source, target, disk.adapter)
        except ConversionFailed as error:
            raise InvalidDisk(path, str(error)) from error

    # -- inside ------------------------------------------------------------------------------------

    def _copied(self, source: DatastorePath, target: DatastorePath) -> Descriptor:
        """Copy the content; returns a descriptor whose extents already name the copy."""
        if self._sparse(source) is None:
            disk = self.read(source)
            if disk.system is not None:
                name = f"{target.stem}-system"
                copied = self.stores.local(target.sibling(name))
                system.copy(self.stores.local(source.sibling(disk.system)), copied)
                return replace(disk, system=name)
            if disk.parent_hint is not None and disk.create_type != "vmfs":
                raise InvalidDisk(source, "it depends on a parent that is not on this datastore")
        else:
            disk = None
        flat = self._flat(target)
        local = self.stores.local(flat)
        if disk is None or len(disk.extents) != 1:
            self._convert(source, self._existing(source), local)
        else:
            with self._cleaned(local):
                copy_file(self.stores.local(self._only_flat(source, disk)), local)
        # An uploaded extent may be longer than its descriptor says: no byte of it is dropped.
        size = max(local.stat().st_size, disk.capacity if disk else 0)
        os.truncate(local, text.sectors(size) * text.SECTOR)
        extents = (Extent(text.sectors(size), "VMFS", flat.name),)
        if disk is None:
            return Descriptor(extents, text.new_cid(), text.new_uuid())
        return replace(disk, extents=extents)

    def _convert(self, path: DatastorePath, source: Path, target: Path) -> None:
        with source.open("rb") as file:
            head = file.read(512)
        if sparse_capacity(head) == 0:
            raise InvalidDisk(path, "its sparse header has no capacity")
        try:
            to_raw(source, target)
        except ConversionFailed as error:
            raise InvalidDisk(path, str(error)) from error

    def _sparse(self, path: DatastorePath) -> int | None:
        with self._existing(path).open("rb") as file:
            return sparse_capacity(file.read(512))

    def _only_flat(self, path: DatastorePath, disk: Descriptor) -> DatastorePath:
        name = disk.extents[0].file if len(disk.extents) == 1 else None
        if name is None:
            raise InvalidDisk(path, "it is not made of one flat extent")
        flat = path.sibling(name)
        if not self._present(flat):
            raise NotFound(flat)
        return flat

    def _existing(self, path: DatastorePath) -> Path:
        local = self.stores.local(path)
        if not local.is_file():
            raise NotFound(path)
        return local

    def _new(self, path: DatastorePath) -> None:
        local = self.stores.local(path)
        if local.exists():
            raise Exists(path)
        if not local.parent.is_dir():
            raise NotFound(path.parent)

    def _replaceable(self, source: DatastorePath, target: DatastorePath, force: bool) -> None:
        self._existing(source)
        if not force or not self._present(target):
            self._new(target)
        elif source != target:
            self.delete(target)

    def _present(self, path: DatastorePath) -> bool:
        return self.stores.local(path).exists()

    def _used(self, path: DatastorePath) -> int:
        local = self.stores.local(path)
        return occupied_tree(local) if local.is_dir() else occupied(local)

    def _rename(self, source: DatastorePath, target: DatastorePath) -> None:
        shutil.move(self.stores.local(source), self.stores.local(target))

    def _write(self, path: DatastorePath, disk: Descriptor) -> None:
        local = self.stores.local(path)
        partial = local.with_name(f".{local.name}.part")
        partial.write_text(text.render(disk))
        partial.rename(local)

    @staticmethod
    def _flat(path: DatastorePath) -> DatastorePath:
        return path.sibling(f"{path.stem}-flat.vmdk")

    @staticmethod
    def _hint(parent: DatastorePath, child: DatastorePath) -> str:
        return parent.name if parent.parent == child.parent else str(parent)

    @staticmethod
    @contextmanager
    def _cleaned(target: Path) -> Iterator[None]:
        try:
            yield
        except BaseException:
            target.unlink(missing_ok=True)
            raise
