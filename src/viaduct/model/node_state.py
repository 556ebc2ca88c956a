"""The state a node shall be in, as data: files, units, guarded one-shots and checks, in waves."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field


@dataclass(frozen=True)
class File:
    """A file on a node. ``restarts`` names the units to restart when its content changes."""

    path: str
    content: bytes = field(repr=False)
    owner: str = "root"
    group: str = "root"
    mode: int = 0o644
    restarts: tuple[str, ...] = ()


@dataclass(frozen=True)
class Unit:
    """A systemd unit that shall be enabled and running (or neither)."""

    name: str
    running: bool = True


@dataclass(frozen=True)
class OneShot:
    """A shell command run as root until ``probe`` succeeds; skipped when it succeeds beforehand.

    Neither may hold a secret: commands read secrets from files. ``timeout`` in seconds.
    """

    name: str
    command: str
    probe: str
    timeout: int = 300


@dataclass(frozen=True)
class Check:
    """A shell command repeated until it exits 0: the wave is done only then. ``timeout`` in seconds."""

    name: str
    command: str
    timeout: int = 120


@dataclass(frozen=True)
class Wave:
    """What is brought up together: units start in parallel, then one-shots in order, then checks in parallel."""

    name: str
    units: tuple[Unit, ...] = ()
    one_shots: tuple[OneShot, ...] = ()
    checks: tuple[Check, ...] = ()


@dataclass(frozen=True)
class NodeState:
    """All of a node's state. Equal digests mean that nothing is to be done."""

    node: str
    files: tuple[File, ...]
    waves: tuple[Wave, ...]

    def digest(self) -> str:
        """SHA-256 over everything that the state says, as hexadecimal text."""
        described = {
            "node": self.node,
            "files": [
                [f.path, hashlib.sha256(f.content).hexdigest(), f.owner, f.group, f.mode, f.restarts]
                for f in sorted(self.files, key=lambda f: f.path)
            ],
            "waves": [
                [
                    w.name,
                    [[u.name, u.running] for u in w.units],
                    [[o.name, o.command, o.probe, o.timeout] for o in w.one_shots],
                    [[c.name, c.command, c.timeout] for c in w.checks],
                ]
                for w in self.waves
            ],
        }
        return hashlib.sha256(json.dumps(described, sort_keys=True).encode()).hexdigest()
