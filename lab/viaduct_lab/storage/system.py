"""System disks: the root file system of an appliance's clone, as overlayfs wants it.

The folder holds ``layers`` (absolute paths of read-only trees, one a line, bottom to top),
``upper`` (what this VM changed) and ``work`` (overlayfs' own).
"""

from __future__ import annotations

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

from viaduct_lab.storage.errors import StorageError

_TIMEOUT_S = 1800
_PLAIN = {"PATH": os.defpath, "LC_ALL": "C"}
_VANISHED = "No such file or directory"


class SystemDiskError(StorageError):
    """A system disk is damaged or could not be copied; the text says why."""


@dataclass(frozen=True)
class SystemDisk:
    """The parts of a system disk; ``layers`` bottom to top."""

    layers: tuple[Path, ...]
    upper: Path
    work: Path


def create(folder: Path, layers: tuple[Path, ...]) -> None:
    """Make an unchanged system disk over ``layers``. Raises ``ValueError`` for a relative layer."""
    if not layers or not all(layer.is_absolute() for layer in layers):
        raise ValueError("a system disk needs absolute layers")
    for part in ("upper", "work"):
        (folder / part).mkdir(parents=True)
    # The upper directory becomes the guest's /, whose mode must let every user in.
    (folder / "upper").chmod(0o755)
    (folder / "layers").write_text("".join(f"{layer}\n" for layer in layers))


def read(folder: Path) -> SystemDisk:
    """The parts. Raises :class:`SystemDiskError` when the folder is not whole."""
    try:
        lines = (folder / "layers").read_text().splitlines()
    except OSError as error:
        raise SystemDiskError(f"The system disk {folder} cannot be read: {error}") from error
    work = folder / "work"
    work.mkdir(exist_ok=True)
    return SystemDisk(tuple(Path(line) for line in lines if line), folder / "upper", work)


def copy(source: Path, target: Path) -> None:
    """Copy the layers' list and the upper tree with owners, modes, devices and attributes.

    Of a guest that runs, the copy is what a power failure would leave: files that vanish
    meanwhile are left out. Raises :class:`SystemDiskError`; then no target is left.
    """
    create(target, read(source).layers)
    options = ["-a", "--reflink=auto", "--sparse=auto"]
    command = ["cp", *options, "--", f"{source}/upper/.", f"{target}/upper/"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_TIMEOUT_S, env=_PLAIN)
    except subprocess.TimeoutExpired as error:
        remove(target)
        raise SystemDiskError(f"Copying {source} took longer than {_TIMEOUT_S} s.") from error
    failures = [line for line in done.stderr.splitlines() if not line.endswith(_VANISHED)]
    if done.returncode != 0 and failures:
        remove(target)
        raise SystemDiskError(f"Copying {source} failed: {failures[-1][-300:]}")


def remove(folder: Path) -> None:
    """Delete a system disk, whatever is left of it."""
    command = ["rm", "-rf", "--one-file-system", "--", str(folder)]
    subprocess.run(command, check=False, timeout=_TIMEOUT_S)
