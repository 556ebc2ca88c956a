"""The disks of snapshots: which files are copied when one is taken, reverted to or removed.

Taking a snapshot leaves the present file in place as the frozen one and gives the machine a copy
(``X-000001.vmdk``), as vSphere does with delta disks. A system disk is the exception: a running guest has it
open, so it is the copy that is frozen.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from viaduct_lab.storage.files import Files
from viaduct_lab.storage.paths import DatastorePath
from viaduct_lab.vcenter.vm import disk_work, layout
from viaduct_lab.vcenter.vm.layout import Device
from viaduct_lab.vcenter.vm.snapshot_tree import Absorb, Drop, Node, file_name, released, rewritten

__all__ = ["rewritten"]
_NUMBERED = re.compile(r"-\d{6}$")


@dataclass(frozen=True)
class Step:
    """A copy of ``source`` for the disk with ``key``; ``in_place``: the copy takes the place of ``source``'s
    successor and is the frozen one (system disks)."""

    key: int
    source: DatastorePath
    target: DatastorePath
    uuid: str


@dataclass(frozen=True)
class Done:
    """A step that was made. ``frozen`` and ``live``: the two files; ``system``: see the module."""

    key: int
    frozen: DatastorePath
    live: DatastorePath


@dataclass(frozen=True)
class Revert:
    """``steps``: copies of frozen disks; ``gone``: present disks that no snapshot holds."""

    steps: tuple[Step, ...]
    gone: tuple[DatastorePath, ...]


def disks_of(node: Node) -> list[Device]:
    """The disks that a snapshot holds."""
    return [disk for disk in layout.disks(node.frozen.devices) if _is_held(disk)]


def _is_held(disk: Device) -> bool:
    return not str(disk.backing.diskMode).startswith("independent")


def next_name(path: DatastorePath, taken: frozenset[DatastorePath]) -> DatastorePath:
    """``X-000001.vmdk`` for ``X.vmdk`` or ``X-000007.vmdk``, with the first number that is free."""
    stem = _NUMBERED.sub("", path.stem)
    number = 1
    while (candidate := path.sibling(f"{stem}-{number:06}.vmdk")) in taken:
        number += 1
    return candidate


def plan_freeze(devices: Sequence[Device], taken: frozenset[DatastorePath]) -> list[Step]:
    """The copies that a snapshot of ``devices`` needs."""
    steps = []
    for disk in layout.disks(devices):
        if _is_held(disk):
            path = DatastorePath.parse(file_name(disk))
            target = next_name(path, taken)
            taken |= {target}
            steps.append(Step(disk.key, path, target, disk.backing.uuid))
    return steps


def freeze(files: Files, steps: Sequence[Step]) -> list[Done]:
    """Make the copies; blocks. On an error none is left."""
    done: list[Done] = []
    try:
        for step in steps:
            files.disks.copy(step.source, step.target, child=True, uuid=step.uuid)
            is_system = files.disks.system_folder(step.source) is not None
            pair = (step.target, step.source) if is_system else (step.source, step.target)
            done.append(Done(step.key, *pair))
    except BaseException:
        disk_work.discard(files, [step.target for step in steps[: len(done) + 1]])
        raise
    return done


def after_freeze(devices: Sequence[Device], done: Sequence[Done]) -> tuple[list[Device], list[Device]]:
    """(the machine's devices, the snapshot's devices) once the copies are made."""
    steps = {step.key: step for step in done}
    live = [copy.deepcopy(device) for device in devices]
    frozen = [copy.deepcopy(device) for device in devices]
    for disk in layout.disks(frozen):
        if disk.key in steps:
            disk.backing.fileName = str(steps[disk.key].frozen)
    held = {disk.key: disk for disk in layout.disks(frozen)}
    for disk in layout.disks(live):
        if disk.key in steps:
            disk.backing.fileName = str(steps[disk.key].live)
            disk.backing.parent = copy.deepcopy(held[disk.key].backing)
    return live, frozen


def plan_revert(
    devices: Sequence[Device], node: Node, kept: set[str], taken: frozenset[DatastorePath]
) -> Revert:
    """What reverting to ``node`` asks of the files. ``kept``: disks that snapshots hold."""
    present = [DatastorePath.parse(file_name(d)) for d in layout.disks(devices) if _is_held(d)]
    gone = tuple(path for path in present if str(path) not in kept)
    steps = []
    for disk in disks_of(node):
        source = DatastorePath.parse(file_name(disk))
        target = next_name(source, taken)
        taken |= {target}
        steps.append(Step(disk.key, source, target, disk.backing.uuid))
    return Revert(tuple(steps), gone)


def revert(files: Files, plan: Revert) -> list[Done]:
    """Copy the frozen disks, then delete the present ones; blocks."""
    done: list[Done] = []
    try:
        for step in plan.steps:
            files.disks.copy(step.source, step.target, child=True, uuid=step.uuid)
            done.append(Done(step.key, step.source, step.target))
    except BaseException:
        disk_work.discard(files, [step.target for step in plan.steps[: len(done) + 1]])
        raise
    disk_work.discard(files, plan.gone)
    return done


def after_revert(node: Node, done: Sequence[Done]) -> list[Device]:
    """The machine's devices once it is back at ``node``."""
    live, _ = after_freeze(node.frozen.devices, done)
    return live


def release(files: Files, gone: Node, others: Sequence[Node], devices: Sequence[Device]) -> list[Any]:
    """Delete or merge the disks of a removed snapshot; blocks. Returns what was done."""
    every = [*layout.disks(devices), *disks_of(gone), *(d for n in others for d in disks_of(n))]
    fixed = frozenset(name for name in map(file_name, every) if _is_system(files, name))
    held = [disk for disk in gone.frozen.devices if disk not in _independent(gone)]
    gone.frozen.devices = held
    work = released(gone, others, devices, fixed)
    for step in work:
        match step:
            case Drop():
                disk_work.discard(files, [DatastorePath.parse(step.path)])
            case Absorb():
                base, child = DatastorePath.parse(step.base), DatastorePath.parse(step.child)
                files.disks.absorb(base, child)
    return work


def _independent(node: Node) -> list[Device]:
    return [disk for disk in layout.disks(node.frozen.devices) if not _is_held(disk)]


def _is_system(files: Files, name: str) -> bool:
    path = DatastorePath.parse(name)
    return files.exists(path) and files.disks.system_folder(path) is not None
