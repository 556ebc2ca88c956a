"""A virtual machine's snapshots: the tree, and what happens to disks when one goes. Pure."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from viaduct_lab.vcenter.core.types import Ref, vim
from viaduct_lab.vcenter.vm import layout
from viaduct_lab.vcenter.vm.layout import Device
from viaduct_lab.vcenter.vm.state import VmState


@dataclass
class Node:
    """One snapshot. ``frozen``: the machine's state when it was taken, its disks' files being kept."""

    moid: str
    number: int
    name: str
    description: str
    created: datetime
    quiesced: bool
    parent: str | None
    frozen: VmState
    vm_name: str

    @property
    def power_state(self) -> str:
        """The power state that the snapshot stands for: memory is never kept."""
        return "poweredOff"

    def save(self) -> dict[str, Any]:
        """As JSON data."""
        return {
            "moid": self.moid,
            "number": self.number,
            "name": self.name,
            "description": self.description,
            "created": self.created.isoformat(),
            "quiesced": self.quiesced,
            "parent": self.parent,
            "frozen": self.frozen.save(),
            "vm_name": self.vm_name,
        }

    @classmethod
    def load(cls, saved: dict[str, Any]) -> Node:
        """What :meth:`save` gave."""
        return cls(
            **{
                **saved,
                "created": datetime.fromisoformat(saved["created"]),
                "frozen": VmState.load(saved["frozen"]),
            }
        )


@dataclass
class Tree:
    """All snapshots of one machine; ``current`` is the one that it was last taken at or reverted to."""

    nodes: dict[str, Node] = field(default_factory=dict)
    current: str | None = None

    def __iter__(self) -> Iterator[Node]:
        return iter(tuple(self.nodes.values()))

    def __bool__(self) -> bool:
        return bool(self.nodes)

    def children(self, moid: str | None) -> list[Node]:
        """The snapshots below one (None: the roots)."""
        return [node for node in self if node.parent == moid]

    def subtree(self, moid: str) -> list[Node]:
        """A snapshot and all below it, children before parents."""
        below = [deep for child in self.children(moid) for deep in self.subtree(child.moid)]
        return [*below, self.nodes[moid]]

    def add(self, node: Node) -> None:
        """A new snapshot, which becomes the current one."""
        self.nodes[node.moid] = node
        self.current = node.moid

    def remove(self, moid: str) -> Node:
        """Take one out; its children move up to its parent."""
        node = self.nodes.pop(moid)
        for child in self.children(moid):
            child.parent = node.parent
        if self.current == moid:
            self.current = node.parent
        return node

    def view(self, vm: Ref) -> Any:
        """The property ``snapshot``; None without snapshots."""
        if not self.nodes:
            return None
        current = vim.vm.Snapshot(self.current) if self.current is not None else None
        return vim.vm.SnapshotInfo(currentSnapshot=current, rootSnapshotList=self._trees(None, vm))

    def _trees(self, moid: str | None, vm: Ref) -> list[Any]:
        return [
            vim.vm.SnapshotTree(
                snapshot=vim.vm.Snapshot(node.moid),
                vm=vm,
                name=node.name,
                description=node.description,
                id=node.number,
                createTime=node.created,
                state=node.power_state,
                quiesced=node.quiesced,
                childSnapshotList=self._trees(node.moid, vm),
                replaySupported=False,
            )
            for node in self.children(moid)
        ]

    def save(self) -> dict[str, Any]:
        """As JSON data."""
        return {"current": self.current, "nodes": [node.save() for node in self]}

    @classmethod
    def load(cls, saved: dict[str, Any]) -> Tree:
        """What :meth:`save` gave."""
        nodes = [Node.load(node) for node in saved["nodes"]]
        return cls({node.moid: node for node in nodes}, saved["current"])


def file_name(device: Device) -> str:
    """The datastore path of a disk's file."""
    return str(device.backing.fileName)


def parent_name(device: Device) -> str | None:
    """The path of the disk that a disk was made from, if it is a child."""
    parent = getattr(device.backing, "parent", None)
    return str(parent.fileName) if parent is not None else None


@dataclass(frozen=True)
class Drop:
    """A frozen disk that no snapshot needs any more: ``path`` is deleted."""

    path: str


@dataclass(frozen=True)
class Absorb:
    """A frozen disk with one child: ``base`` takes over the bytes of ``child``, whose file goes."""

    base: str
    child: str


def released(
    gone: Node, others: Sequence[Node], devices: Sequence[Device], fixed: frozenset[str]
) -> list[Drop | Absorb]:
    """What becomes of the disks of the removed snapshot ``gone``.

    ``devices``: the machine's present ones; ``fixed``: disks that must keep their file (system
    disks, which a running guest has open).
    """
    living = [*layout.disks(devices)]
    for node in others:
        living += layout.disks(node.frozen.devices)
    used = {file_name(disk) for disk in living}
    work: list[Drop | Absorb] = []
    for disk in layout.disks(gone.frozen.devices):
        path = file_name(disk)
        if path in used:
            continue
        children = {file_name(other) for other in living if parent_name(other) == path}
        if len(children) == 1 and not children & fixed and path not in fixed:
            work.append(Absorb(path, children.pop()))
        else:
            work.append(Drop(path))
    return work


def rewritten(devices: Sequence[Device], work: Sequence[Drop | Absorb]) -> list[Device]:
    """``devices`` with the backings' file names and parents as they are after ``work``."""
    renamed = {step.child: step.base for step in work if isinstance(step, Absorb)}
    dropped = {step.path for step in work if isinstance(step, Drop)}
    result = [copy.deepcopy(device) for device in devices]
    for disk in layout.disks(result):
        _rewrite(disk.backing, renamed, dropped)
    return result


def _rewrite(backing: Any, renamed: dict[str, str], dropped: set[str]) -> None:
    while backing is not None:
        new = renamed.get(backing.fileName)
        parent = backing.parent
        if new is not None and parent is not None and parent.fileName == new:
            parent = parent.parent  # the base has become the disk itself
        while parent is not None and parent.fileName in dropped:
            parent = parent.parent
        backing.fileName = new or backing.fileName
        backing.parent = parent
        backing = parent
