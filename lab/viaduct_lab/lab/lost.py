"""VMs that were on when the lab, or the machine under it, went down.

A guest's folder tells: it has a description, but no record of an end that somebody meant.
"""

from __future__ import annotations

import json
from collections.abc import Iterable

from viaduct_lab.guests.directory import GuestDirectory
from viaduct_lab.host import processes
from viaduct_lab.lab.record import LabPaths


def find(paths: LabPaths) -> tuple[str, ...]:
    """Guests that ended without anybody noticing."""
    if not paths.guests.is_dir():
        return ()
    found = []
    for path in sorted(paths.guests.iterdir()):
        directory = GuestDirectory(path)
        if not (path / "spec.json").exists() or processes.is_held(directory.lock):
            continue
        record = directory.exit()
        if record is None or record.unmeant:
            found.append(path.name)
    return tuple(found)


def remember(paths: LabPaths, vm_ids: Iterable[str]) -> None:
    """Add ``vm_ids`` to those that the next start switches on."""
    wanted = sorted({*remembered(paths), *vm_ids})
    if wanted:
        paths.restart.write_text(json.dumps(wanted) + "\n")


def remembered(paths: LabPaths) -> tuple[str, ...]:
    """The VMs that are to be switched on again."""
    try:
        return tuple(json.loads(paths.restart.read_text()))
    except (FileNotFoundError, ValueError):
        return ()


def forget(paths: LabPaths) -> None:
    """Nothing is to be switched on any more."""
    paths.restart.unlink(missing_ok=True)
