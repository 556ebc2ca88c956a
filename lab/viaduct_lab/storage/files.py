"""Plain files and folders of datastores. A path that is a virtual disk takes its content along."""

from __future__ import annotations

import fnmatch
import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from viaduct_lab.storage import descriptor
from viaduct_lab.storage.disks import Disks
from viaduct_lab.storage.errors import Exists, InvalidPath, NotFound
from viaduct_lab.storage.paths import DatastorePath, Datastores
from viaduct_lab.storage.sparse import copy_file, occupied, occupied_tree


@dataclass(frozen=True)
class Entry:
    """One thing found in a folder.

    ``size`` in bytes (a disk: what it occupies), ``modified`` in seconds since the epoch.
    """

    path: DatastorePath
    folder: bool
    disk: bool
    size: int
    modified: float
    owner: str = "root"


@dataclass(frozen=True)
class Files:
    """Operations on files; all raise ``StorageError`` subclasses or ``OSError``."""

    stores: Datastores

    @property
    def disks(self) -> Disks:
        """The virtual disks of the same datastores."""
        return Disks(self.stores)

    def exists(self, path: DatastorePath) -> bool:
        """Whether there is a file or folder of that path."""
        return self.stores.local(path).exists()

    def make_folder(self, path: DatastorePath, parents: bool = False) -> None:
        """Make a folder. Raises ``Exists``, or ``NotFound`` when its parent is missing."""
        local = self.stores.local(path)
        if local.exists():
            raise Exists(path)
        if not local.parent.is_dir() and not parents:
            raise NotFound(path.parent)
        local.mkdir(parents=parents)

    def unused_folder(self, datastore: str, name: str) -> DatastorePath:
        """Make and return a folder called ``name``, or ``name_1`` and so on if that is taken."""
        clean = "".join("_" if c in '/\\:*?"<>|%[]' or ord(c) < 32 else c for c in name)[:80]
        for number in range(10_000):
            path = DatastorePath.of(datastore, clean if number == 0 else f"{clean}_{number}")
            try:
                self.make_folder(path)
            except Exists:
                continue
            return path
        raise Exists(DatastorePath.of(datastore, clean))

    def delete(self, path: DatastorePath) -> None:
        """Delete a file, a disk with its content, or a whole folder. Raises ``NotFound``."""
        local = self._existing(path)
        if local.is_dir():
            shutil.rmtree(local)
        elif self.is_disk(path):
            self.disks.delete(path)
        else:
            local.unlink()

    def delete_empty(self, path: DatastorePath) -> None:
        """Delete a folder if nothing is in it any more."""
        try:
            if path.path:
                self.stores.local(path).rmdir()
        except OSError:
            pass

    def move(self, source: DatastorePath, target: DatastorePath, force: bool = False) -> None:
        """Move; ``force`` replaces an existing target. Raises ``NotFound`` or ``Exists``."""
        local, into = self._pair(source, target, force)
        if self.is_disk(source):
            self.disks.move(source, target, force)
        else:
            shutil.move(local, into)

    def copy(self, source: DatastorePath, target: DatastorePath, force: bool = False) -> None:
        """Copy; ``force`` replaces an existing target. Raises ``NotFound`` or ``Exists``."""
        local, into = self._pair(source, target, force)
        if local.is_dir():
            shutil.copytree(local, into, symlinks=True, copy_function=_copy)
        elif self.is_disk(source, flat_only=True):
            self.disks.copy(source, target, force=force)
        else:
            copy_file(local, into)

    def is_disk(self, path: DatastorePath, flat_only: bool = False) -> bool:
        """Whether the file is a disk's descriptor (``flat_only``) or any usable ``.vmdk``."""
        local = self.stores.local(path)
        if not path.name.lower().endswith(".vmdk") or not local.is_file():
            return False
        with local.open("rb") as file:
            head = file.read(512)
        return descriptor.is_descriptor(head) or (not flat_only and head.startswith(b"KDMV"))

    def listing(self, folder: DatastorePath) -> list[Entry]:
        """What lies in a folder, by name, without disks' content files. Raises ``NotFound``."""
        local = self._existing(folder)
        if not local.is_dir():
            raise NotFound(folder)
        entries: list[Entry] = []
        parts: set[DatastorePath] = set()
        for child in sorted(local.iterdir()):
            if _is_partial(child.name):
                continue
            path = folder / child.name
            entry = self._entry(path, child)
            if entry is None:
                continue
            if entry.disk:
                parts.update(self.disks.files(path)[1:])
            entries.append(entry)
        return [entry for entry in entries if entry.path not in parts]

    def search(
        self, folder: DatastorePath, patterns: tuple[str, ...], *, ignore_case: bool = True
    ) -> list[Entry]:
        """:meth:`listing`, kept to names that match one of the shell ``patterns`` (none: all).

        A pattern that is the exact name of a disk's content file finds it, too.
        """
        found = self.listing(folder)
        known = {entry.path.name for entry in found}
        for name in set(patterns) - known:
            if "/" not in name and name not in ("", ".", "..") and not set(name) & set("*?["):
                path = folder / name
                entry = self._entry(path, self.stores.local(path))
                if entry is not None:
                    found.append(entry)
        if not patterns:
            return found
        return [e for e in found if any(_matches(e.path.name, p, ignore_case) for p in patterns)]

    def folders_below(self, folder: DatastorePath) -> list[DatastorePath]:
        """The folder and all folders below it; not the inside of a system disk."""
        found = [folder]
        for entry in self.listing(folder):
            if entry.folder:
                found += self.folders_below(entry.path)
        return found

    def remove_partial(self, datastore: str) -> None:
        """Delete the ``.….part`` files that interrupted writes left on a datastore."""
        for folder, folders, names in os.walk(self.stores.local(DatastorePath(datastore))):
            if "layers" in names and "upper" in folders:  # the inside of a system disk
                folders.clear()
                continue
            for name in names:
                if _is_partial(name):
                    Path(folder, name).unlink(missing_ok=True)

    def _entry(self, path: DatastorePath, local: Path) -> Entry | None:
        try:
            status = local.stat()
        except OSError:
            return None
        folder = local.is_dir()
        disk = not folder and self.is_disk(path)
        if disk:
            size = sum(self._occupied(part) for part in self.disks.files(path))
        else:
            size = 0 if folder else status.st_size
        return Entry(path, folder, disk, size, status.st_mtime)

    def _occupied(self, path: DatastorePath) -> int:
        local = self.stores.local(path)
        return occupied_tree(local) if local.is_dir() else occupied(local)

    def _pair(self, source: DatastorePath, target: DatastorePath, force: bool) -> tuple[Path, Path]:
        local, into = self._existing(source), self.stores.local(target)
        if not source.path or local in (into, *into.parents):
            raise InvalidPath(f"{source} cannot be moved or copied to {target}.")
        if not into.parent.is_dir():
            raise NotFound(target.parent)
        if into.exists():
            if not force:
                raise Exists(target)
            self.delete(target)
        return local, into

    def _existing(self, path: DatastorePath) -> Path:
        local = self.stores.local(path)
        if not os.path.lexists(local):
            raise NotFound(path)
        return local


def _is_partial(name: str) -> bool:
    return name.startswith(".") and name.endswith(".part")


def _copy(source: str, target: str) -> str:
    copy_file(Path(source), Path(target))
    return target


def _matches(name: str, pattern: str, ignore_case: bool) -> bool:
    if ignore_case:
        return fnmatch.fnmatchcase(name.lower(), pattern.lower())
    return fnmatch.fnmatchcase(name, pattern)
