"""Files that are written whole or not at all."""

from __future__ import annotations

from pathlib import Path

from viaduct import private_files
from viaduct.errors import StateError


def write_private(path: Path, content: str) -> None:
    """Put ``content`` into ``path`` (mode 0600, its folder 0700). Raises :class:`StateError`."""
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        if path.is_file() and path.read_text(encoding="utf-8") == content:
            return
        private_files.replace(path, content.encode())
    except OSError as error:
        raise StateError(
            f"{path} cannot be written: {error.strerror or error}.",
            "Check the state directory's space and mode, then run the same command again.",
        ) from None
