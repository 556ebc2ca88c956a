"""The key pair with which the manager logs in to a cloud's nodes."""

from __future__ import annotations

from pathlib import Path

import asyncssh

from viaduct import private_files
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
            private_files.replace(
                private, asyncssh.generate_private_key("ssh-ed25519", "viaduct").export_private_key()
            )
        key = asyncssh.read_private_key(private)
        public = key.export_public_key().decode().strip() + "\n"
        if not private.with_suffix(".pub").exists() or private.with_suffix(".pub").read_text() != public:
            private_files.replace(private.with_suffix(".pub"), public.encode())
    except (OSError, asyncssh.KeyImportError) as problem:
        raise StateError(
            f"The SSH key {private} cannot be read or made ({problem}).",
            "Check the directory's permissions and free space. If the key file is damaged, restore it from a "
            "backup: the nodes accept no other key.",
        ) from problem
    return private
