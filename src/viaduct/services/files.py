"""Files that are written whole or not at all."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from viaduct.errors import StateError


def write_private(path: Path, content: str) -> None:
    """Put ``content`` into ``path`` (mode 0600, its folder 0700). Raises :class:`StateError`."""
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        if path.is_file() and path.read_text(encoding="utf-8") == content:
            return
        descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        try:
            with os.fdopen(descriptor, "w", encoding="utf-8") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            Path(temporary).replace(path)
        except BaseException:
            Path(temporary).unlink(missing_ok=True)
            raise
    except OSError as error:
        raise StateError(
            f"{path} cannot be written: {error.strerror or error}.",
            "Check the state directory's space and mode, then run the same command again.",
        ) from None
