"""The key pair with which the manager logs in to a cloud's nodes."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import asyncssh

from viaduct.errors import StateError

KEY_FILE = "id_ed25519"


def ensure(directory: Path) -> Path:
    """Path of the private key in ``directory``, made on first use (0600), with ``.pub`` beside it.

    Raises StateError when the directory cannot be used or holds an unreadable key.
    """
    private = directory / KEY_FILE
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not private.exists():
            write(private, asyncssh.generate_private_key("ssh-ed25519", "viaduct").export_private_key())
        key = asyncssh.read_private_key(private)
        public = key.export_public_key().decode().strip() + "\n"
        if not private.with_suffix(".pub").exists() or private.with_suffix(".pub").read_text() != public:
            write(private.with_suffix(".pub"), public.encode())
    except (OSError, asyncssh.KeyImportError) as problem:
        raise StateError(
            f"The SSH key {private} cannot be read or made ({problem}).",
            "Check the directory's permissions and free space. If the key file is damaged, restore it from a "
            "backup: the nodes accept no other key.",
        ) from problem
    return private


def write(path: Path, content: bytes) -> None:
    """Write a private file whole or not at all (0600)."""
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
