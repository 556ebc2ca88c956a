"""What one role contributes to a node: files, and parts of waves."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from viaduct.model.node_state import File, Wave

BASE = "base"
INFRASTRUCTURE = "infrastructure"
DATA = "data"
IDENTITY = "identity"
SERVICES = "services"
FINAL = "final"

WAVES = (BASE, INFRASTRUCTURE, DATA, IDENTITY, SERVICES, FINAL)
"""Names of waves in the order in which a node goes through them.

``base``: time and logging. ``infrastructure``: database with its
schemas, message broker, cache, load balancer. ``data``: migrations, if the image is newer than the data.
``identity``: keystone, which other services ask as they start.
``services``: all other APIs and daemons. ``final``: nothing is started any more, the whole is checked.
"""

HEADER = """\
Managed by viaduct: changes made here are lost at the next deployment.
Change the cloud spec's options instead."""


@dataclass(frozen=True)
class RoleState:
    """A role's part of a node's state.

    Waves of the same name are merged across roles, in the order of roles.
    """

    files: tuple[File, ...] = ()
    waves: tuple[Wave, ...] = ()


def header(comment: str = "#") -> str:
    """The notice at the top of every rendered text file, each line led by ``comment``."""
    return "".join(f"{comment} {line}\n" for line in HEADER.splitlines())


def merge_waves(waves: Iterable[Wave]) -> tuple[Wave, ...]:
    """One wave a name, in the order of :data:`WAVES`; empty ones are left out.

    Raises ``ValueError`` for a name that is not there.
    """
    parts: dict[str, list[Wave]] = {name: [] for name in WAVES}
    for wave in waves:
        if wave.name not in parts:
            raise ValueError(f"there is no wave called {wave.name!r}")
        parts[wave.name].append(wave)
    return tuple(
        Wave(
            name=name,
            units=tuple(unit for wave in found for unit in wave.units),
            one_shots=tuple(one_shot for wave in found for one_shot in wave.one_shots),
            checks=tuple(check for wave in found for check in wave.checks),
        )
        for name, found in parts.items()
        if found
    )
