"""The labs of this machine, running or not: a stopped lab keeps its id and its address ranges too.

One symbolic link a lab, named by its id, leads to its folder. It counts as long as a lab of that id lies
there: what a removed state directory left is dropped by whoever looks next.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from ipaddress import IPv4Network
from pathlib import Path

from viaduct_lab.lab import record
from viaduct_lab.lab.errors import Busy, Copied, NotALab
from viaduct_lab.lab.record import LabPaths, LabRecord

DIRECTORY = Path("/var/lib/viaduct-labs")
_LOCK_SECONDS = 20.0


@dataclass(frozen=True)
class Neighbour:
    """Another lab of this machine."""

    root: Path
    record: LabRecord


class Registry:
    """The registry in ``directory``, which exists only while there is a lab.

    Only root keeps it; for other users, whose labs make no network on the machine, it is empty.
    """

    def __init__(self, directory: Path | None = None) -> None:
        self._directory = directory or DIRECTORY

    def neighbours(self, root: Path) -> tuple[Neighbour, ...]:
        """The labs other than the one in ``root``. What leads nowhere is dropped."""
        found = []
        for link in self._links():
            lab = _lab(link)
            if lab is None:
                _drop(link)
            elif lab.root != root.resolve():
                found.append(lab)
        return tuple(found)

    def holds(self, lab: LabRecord, root: Path) -> bool:
        """Whether ``lab`` in ``root`` is noted, if this user can note anything."""
        if not _may_write():
            return True
        with contextlib.suppress(OSError):
            return (self._directory / lab.id).readlink() == root.resolve()
        return False

    def require_own(self, lab: LabRecord, root: Path) -> None:
        """Raise :class:`Copied` when the id of ``lab`` in ``root`` belongs to a lab that lies elsewhere."""
        for other in self.neighbours(root):
            if other.record.id == lab.id:
                raise Copied(
                    f"The lab in {root} is a copy of the one in {other.root}: both would have the same names "
                    "and addresses on this machine.",
                    f"Remove one of the two with 'purge', or keep {root} for another machine.",
                )

    def note(self, lab: LabRecord, root: Path) -> None:
        """Note ``lab`` in ``root``. Raises :class:`Copied`."""
        if self.holds(lab, root):
            return
        self.require_own(lab, root)
        self._directory.mkdir(parents=True, exist_ok=True, mode=0o755)
        (self._directory / lab.id).symlink_to(root.resolve())

    def forget(self, root: Path) -> None:
        """Drop what is noted of the lab in ``root``; the registry goes with the last lab."""
        if not self._directory.is_dir():
            return
        with self.choosing():
            for link in self._links():
                if link.readlink() == root.resolve():
                    _drop(link)

    @contextmanager
    def choosing(self) -> Iterator[None]:
        """Hold the registry while an id and ranges are chosen and noted, so that no two labs choose the same.

        Raises :class:`Busy`.
        """
        if not _may_write():
            yield
            return
        descriptor = self._locked()
        try:
            yield
        finally:
            os.close(descriptor)
            with contextlib.suppress(OSError):
                self._directory.rmdir()

    def _locked(self) -> int:
        deadline = time.monotonic() + _LOCK_SECONDS
        while True:
            self._directory.mkdir(parents=True, exist_ok=True, mode=0o755)
            with contextlib.suppress(FileNotFoundError):
                descriptor = os.open(self._directory, os.O_RDONLY | os.O_CLOEXEC)
                try:
                    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    # Between opening and locking, another lab's end may have removed the directory.
                    if os.path.samestat(os.fstat(descriptor), self._directory.stat()):
                        return descriptor
                except OSError:
                    pass
                os.close(descriptor)
            if time.monotonic() >= deadline:
                raise Busy(
                    f"Another lab has been choosing its addresses for {_LOCK_SECONDS:.0f} s.",
                    "Wait for its end, then try again.",
                )
            time.sleep(0.02)

    def _links(self) -> tuple[Path, ...]:
        try:
            return tuple(sorted(path for path in self._directory.iterdir() if path.is_symlink()))
        except (FileNotFoundError, PermissionError):
            return ()


def networks(neighbours: tuple[Neighbour, ...]) -> tuple[IPv4Network, ...]:
    """The address ranges of ``neighbours``."""
    return tuple(
        network
        for lab in neighbours
        for network in (lab.record.management_network, lab.record.external_network)
    )


def _lab(link: Path) -> Neighbour | None:
    root = link.readlink()
    try:
        found = record.load(LabPaths(root))
    except (NotALab, OSError):
        return None
    return Neighbour(root, found) if found is not None and found.id == link.name else None


def _drop(link: Path) -> None:
    if _may_write():
        link.unlink(missing_ok=True)


def _may_write() -> bool:
    return os.geteuid() == 0
