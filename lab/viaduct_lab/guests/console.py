"""The file that receives a guest's console."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path


def open_console(path: Path, vm_name: str, boot: int) -> int:
    """Open ``path`` for appending and write the marker of a new boot; returns the file descriptor.

    Only root may read it: a console can show secrets.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
    os.fchmod(descriptor, 0o600)
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    os.write(descriptor, f"\n=== {vm_name}: boot {boot} at {now} ===\n".encode())
    return descriptor


def tail(path: Path, size: int = 600) -> str:
    """The last ``size`` bytes of a log as text; empty when there is none."""
    try:
        with path.open("rb") as file:
            file.seek(0, os.SEEK_END)
            file.seek(max(0, file.tell() - size))
            return file.read().decode(errors="replace").strip()
    except FileNotFoundError:
        return ""
