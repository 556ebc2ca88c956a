"""Modes: the layouts that a cloud can have."""

from __future__ import annotations

from dataclasses import dataclass

from viaduct.errors import SpecError


@dataclass(frozen=True)
class NodeLayout:
    """A node of a mode. ``memory_mb`` in MiB."""

    name: str
    roles: tuple[str, ...]
    cpus: int
    memory_mb: int


@dataclass(frozen=True)
class Mode:
    """A named layout of nodes."""

    name: str
    summary: str
    nodes: tuple[NodeLayout, ...]


TINY_ROLES = (
    "database",
    "messaging",
    "cache",
    "loadbalancer",
    "identity",
    "placement",
    "image",
    "compute-api",
    "compute",
    "network",
    "volume",
)

TINY = Mode(
    "tiny",
    "one node that holds everything: for evaluation and development",
    (NodeLayout("node1", TINY_ROLES, cpus=2, memory_mb=6144),),
)

MODES = {TINY.name: TINY}

PLANNED = {
    "compact": "one controller and one database node",
    "ha": "three controllers, three databases, two load balancers",
}


def mode_of(name: str) -> Mode:
    """The mode called ``name``. Raises :class:`SpecError` for one that is unknown or not yet there."""
    if name in MODES:
        return MODES[name]
    if name in PLANNED:
        raise SpecError(
            f"The mode '{name}' ({PLANNED[name]}) is not yet available.",
            f"Use --mode {' or '.join(MODES)}.",
        )
    raise SpecError(f"There is no mode '{name}'.", f"Use --mode {' or '.join(MODES)}.")
