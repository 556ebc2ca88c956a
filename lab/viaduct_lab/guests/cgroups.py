"""Control groups of guests: memory cap, CPU share, freezing, finding what is left over.

Two layouts: *legacy* (a hierarchy per controller, as on older distributions, maybe with a unified one that
has no controllers beside) and *unified* (cgroup v2). Each guest has a group of its own,
``viaduct-<lab id>/<vm id>``, and only its container is in it: the launcher stays outside, so that it can act
while the guest is frozen.
"""

from __future__ import annotations

import contextlib
import os
import signal
import time
from dataclasses import dataclass
from pathlib import Path

_LEGACY_CONTROLLERS = ("memory", "cpu", "freezer", "pids", "name=systemd")
_PERIOD_MICROSECONDS = 100_000
_SHARE_PER_CPU = 1024
_WEIGHT_PER_CPU = 100


@dataclass(frozen=True)
class Layout:
    """Where control groups live: ``mounts`` by controller (``""``: the unified hierarchy)."""

    unified: bool
    mounts: dict[str, Path]


@dataclass(frozen=True)
class Limits:
    """What a guest may use. ``cpus`` counts whole processors."""

    memory_bytes: int
    cpus: int


def detect(mounts: str) -> Layout:
    """The machine's layout, from the text of ``/proc/mounts``."""
    found: dict[str, Path] = {}
    for line in mounts.splitlines():
        _, where, kind, options, *_ = line.split(" ")
        if kind == "cgroup2":
            found.setdefault("", Path(where))
        elif kind == "cgroup":
            for option in options.split(","):
                if option in _LEGACY_CONTROLLERS:
                    found.setdefault(option, Path(where))
    legacy = any(found)
    return Layout(unified=not legacy, mounts=found)


def machine_layout() -> Layout:
    """The layout of this machine."""
    return detect(Path("/proc/mounts").read_text())


def group_settings(layout: Layout, limits: Limits, processors: int) -> dict[str, dict[str, str]]:
    """Files to write, by controller mount (key of ``layout.mounts``) and name, for a guest's ``limits``."""
    quota = str(limits.cpus * _PERIOD_MICROSECONDS) if limits.cpus < processors else None
    if layout.unified:
        settings = {
            "memory.max": str(limits.memory_bytes),
            "cpu.weight": str(min(10_000, limits.cpus * _WEIGHT_PER_CPU)),
        }
        if quota:
            settings["cpu.max"] = f"{quota} {_PERIOD_MICROSECONDS}"
        return {"": settings}
    cpu = {"cpu.shares": str(limits.cpus * _SHARE_PER_CPU)}
    if quota:
        cpu |= {"cpu.cfs_period_us": str(_PERIOD_MICROSECONDS), "cpu.cfs_quota_us": quota}
    return {"memory": {"memory.limit_in_bytes": str(limits.memory_bytes)}, "cpu": cpu}


def create(layout: Layout, parent: str, name: str, limits: Limits) -> tuple[str, ...]:
    """Make the group ``parent/name`` in every hierarchy, with ``limits``; returns its directories.

    ``parent`` is relative to the hierarchies' roots. A controller that this machine lacks is left out: the
    guest then runs without that limit.
    """
    processors = os.cpu_count() or 1
    settings = group_settings(layout, limits, processors)
    directories: list[str] = []
    for controller, mount in layout.mounts.items():
        group = mount / parent / name
        if str(group) in directories:
            continue
        group.mkdir(parents=True, exist_ok=True)
        if layout.unified:
            _delegate(mount, parent)
        elif controller == "cpu":
            # The lab as a whole must not count as one process beside the machine's others.
            _set(mount / parent / "cpu.shares", str(processors * _SHARE_PER_CPU))
        for file, value in settings.get(controller, {}).items():
            _set(group / file, value)
        directories.append(str(group))
    return tuple(directories)


def freeze(directories: tuple[str, ...], timeout: float = 5.0) -> bool:
    """Stop every process of the group where it stands; False when that did not happen in ``timeout`` s."""
    return _switch(directories, frozen=True, timeout=timeout)


def thaw(directories: tuple[str, ...], timeout: float = 5.0) -> bool:
    """Let a frozen group run again."""
    return _switch(directories, frozen=False, timeout=timeout)


def is_frozen(directories: tuple[str, ...]) -> bool:
    """Whether the group is frozen, or about to be."""
    for directory in map(Path, directories):
        with contextlib.suppress(OSError):
            if (directory / "freezer.state").exists():
                return (directory / "freezer.state").read_text().strip() != "THAWED"
            if (directory / "cgroup.freeze").exists():
                return (directory / "cgroup.freeze").read_text().strip() == "1"
    return False


def kill(directories: tuple[str, ...], timeout: float = 10.0) -> bool:
    """Kill all that is left in the group; False when something is still there after ``timeout`` s."""
    if is_frozen(directories):
        thaw(directories)
    deadline = time.monotonic() + timeout
    while pids := _members(directories):
        if time.monotonic() >= deadline:
            return False
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(0.02)
    return True


def remove(directories: tuple[str, ...]) -> None:
    """Remove the group's directories with all below; the lab's own group too when it is empty then."""
    for directory in map(Path, directories):
        _remove_tree(directory)
        with contextlib.suppress(OSError):
            directory.parent.rmdir()


def leftovers(layout: Layout, parent: str) -> dict[str, tuple[str, ...]]:
    """Groups that exist under ``parent``, by name: what launchers made, dead or alive."""
    found: dict[str, list[str]] = {}
    for mount in dict.fromkeys(layout.mounts.values()):
        top = mount / parent
        if top.is_dir():
            for group in sorted(p for p in top.iterdir() if p.is_dir()):
                found.setdefault(group.name, []).append(str(group))
    return {name: tuple(directories) for name, directories in found.items()}


def _switch(directories: tuple[str, ...], *, frozen: bool, timeout: float) -> bool:
    for directory in map(Path, directories):
        legacy, unified = directory / "freezer.state", directory / "cgroup.freeze"
        if legacy.exists():
            word = "FROZEN" if frozen else "THAWED"
            legacy.write_text(word)
            return _await(legacy, word, timeout)
        if unified.exists() and not _has_freezer(directories):
            unified.write_text("1" if frozen else "0")
            return _await(directory / "cgroup.events", f"frozen {int(frozen)}", timeout)
    return False


def _has_freezer(directories: tuple[str, ...]) -> bool:
    return any((Path(directory) / "freezer.state").exists() for directory in directories)


def _await(file: Path, text: str, timeout: float) -> bool:
    deadline = time.monotonic() + timeout
    while text not in file.read_text():
        if time.monotonic() >= deadline:
            return False
        time.sleep(0.01)
    return True


def _members(directories: tuple[str, ...]) -> set[int]:
    pids: set[int] = set()
    for directory in directories:
        for folder, _, _ in os.walk(directory):
            with contextlib.suppress(OSError):
                pids |= {int(p) for p in (Path(folder) / "cgroup.procs").read_text().split()}
    return pids


def _remove_tree(directory: Path) -> None:
    # Groups are removed a moment after their last process: try for a second.
    for _ in range(50):
        if not directory.exists():
            return
        for folder, _, _ in os.walk(directory, topdown=False):
            with contextlib.suppress(OSError):
                os.rmdir(folder)
        if directory.exists():
            time.sleep(0.02)


def _delegate(mount: Path, parent: str) -> None:
    """Let groups below ``parent`` have the controllers that limits need."""
    folders = [mount, *(mount / p for p in reversed(Path(parent).parents[:-1])), mount / parent]
    if parent.endswith(".scope"):
        # systemd's own: what lies above the group it delegated to us is not ours to change.
        folders = folders[-1:]
    for folder in folders:
        for controller in ("memory", "cpu", "pids"):
            _set(folder / "cgroup.subtree_control", f"+{controller}")


def _set(file: Path, value: str) -> None:
    with contextlib.suppress(OSError):
        file.write_text(value)
