"""Content hashes of a layer's inputs."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable
from pathlib import Path

DIGITS = 12
_IGNORED = {"__pycache__", ".mypy_cache", ".ruff_cache", ".pytest_cache", "build", "dist"}


def digest(parts: Iterable[str | bytes]) -> str:
    """Hash of an ordered list of inputs; each part is framed by its length, so that no two lists collide."""
    total = hashlib.sha256()
    for part in parts:
        data = part.encode() if isinstance(part, str) else part
        total.update(f"{len(data)}:".encode())
        total.update(data)
    return total.hexdigest()[:DIGITS]


def tree_digest(root: Path) -> str:
    """Hash of the names, modes and contents of all files below `root`, without build leftovers."""
    parts: list[str | bytes] = []
    for folder, folders, files in os.walk(root):
        folders[:] = sorted(
            name for name in folders if name not in _IGNORED and not name.endswith(".egg-info")
        )
        links = [name for name in folders if Path(folder, name).is_symlink()]
        for name in sorted([*files, *links]):
            path = Path(folder, name)
            if name.endswith(".pyc"):
                continue
            parts.append(path.relative_to(root).as_posix())
            if path.is_symlink():
                parts += ["link", os.readlink(path)]
            else:
                parts += ["x" if path.stat().st_mode & 0o100 else "-", path.read_bytes()]
    return digest(parts)


def read_list(path: Path) -> list[str]:
    """The entries of a list file: one a line, '#' starts a comment."""
    lines = (line.split("#", 1)[0].strip() for line in path.read_text().splitlines())
    return [line for line in lines if line]
