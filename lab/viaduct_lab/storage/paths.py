"""Datastore paths (``[datastore] folder/file``) and the real files behind them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from viaduct_lab.storage.errors import InvalidPath, UnknownDatastore

_SHAPE = re.compile(r"\[([^\[\]/]+)\](.*)", re.DOTALL)
_CONTROL = re.compile(r"[\x00-\x1f]")


@dataclass(frozen=True)
class DatastorePath:
    """A file or folder on a datastore; ``path`` is relative to its root, ``""`` being the root.

    Always normalised: no empty, ``.`` or ``..`` component. Make one by :meth:`parse` or :meth:`of`.
    """

    datastore: str
    path: str = ""

    @classmethod
    def parse(cls, text: str) -> DatastorePath:
        """``[ds] a/b``; a slash after the bracket is allowed. Raises :class:`InvalidPath`."""
        shape = _SHAPE.fullmatch(text.strip())
        if shape is None or not shape[1].strip():
            raise InvalidPath(f"{text!r} is not a datastore path like '[datastore] folder/file'.")
        return cls.of(shape[1].strip(), shape[2])

    @classmethod
    def of(cls, datastore: str, path: str) -> DatastorePath:
        """The path under ``datastore``. Raises :class:`InvalidPath`."""
        parts = [part for part in path.strip().split("/") if part not in ("", ".")]
        if ".." in parts or _CONTROL.search(path):
            raise InvalidPath(f"{path!r} leaves its datastore or holds control characters.")
        if any(len(part.encode()) > 255 for part in parts):
            raise InvalidPath(f"A component of {path!r} is longer than 255 bytes.")
        return cls(datastore, "/".join(parts))

    def __str__(self) -> str:
        return f"[{self.datastore}] {self.path}" if self.path else f"[{self.datastore}]"

    def __truediv__(self, name: str) -> DatastorePath:
        return DatastorePath.of(self.datastore, f"{self.path}/{name}")

    @property
    def name(self) -> str:
        """The last component, ``""`` for the root."""
        return self.path.rpartition("/")[2]

    @property
    def stem(self) -> str:
        """The name without its last extension."""
        return self.name.rpartition(".")[0] or self.name

    @property
    def parent(self) -> DatastorePath:
        """The folder this lies in; the root is its own parent."""
        return DatastorePath(self.datastore, self.path.rpartition("/")[0])

    def sibling(self, name: str) -> DatastorePath:
        """Another name in the same folder."""
        return self.parent / name


@dataclass(frozen=True)
class Datastores:
    """All datastores of one vCenter: the folder ``root`` holds one folder a datastore."""

    root: Path

    def names(self) -> tuple[str, ...]:
        """Names of the datastores that exist."""
        return tuple(sorted(entry.name for entry in self.root.iterdir() if entry.is_dir()))

    def ensure(self, name: str) -> Path:
        """The folder of datastore ``name``, made if it is missing."""
        if _SHAPE.fullmatch(f"[{name}]") is None or name in (".", "..") or _CONTROL.search(name):
            raise InvalidPath(f"{name!r} cannot name a datastore.")
        folder = self.root / name
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    def local(self, path: DatastorePath) -> Path:
        """The real file of ``path`` (which need not exist).

        Raises :class:`UnknownDatastore`, or :class:`InvalidPath` when a symbolic link on the way
        leads out of the datastore.
        """
        folder = self.root / path.datastore
        if not folder.is_dir():
            raise UnknownDatastore(path.datastore)
        base = folder.resolve()
        real = (base / path.path).resolve() if path.path else base
        if real != base and base not in real.parents:
            raise InvalidPath(f"{path} leads out of its datastore.")
        return base / path.path
