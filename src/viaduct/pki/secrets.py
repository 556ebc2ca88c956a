"""Generating secrets, each in the form that its reader expects."""

from __future__ import annotations

import base64
import secrets as entropy
import string

_ALPHABET = string.ascii_letters + string.digits
_LENGTH = 32


def generate(name: str) -> str:
    """A new secret called ``name``.

    Keystone's Fernet keys (``fernet_key_*``, ``credential_key_*``) are 32 bytes in URL-safe base64. All
    others are 32 letters and digits (190 bits): safe in URLs, shells, INI files and Erlang's cookie file.
    """
    if name.startswith(("fernet_key_", "credential_key_")):
        return base64.urlsafe_b64encode(entropy.token_bytes(32)).decode()
    return "".join(entropy.choice(_ALPHABET) for _ in range(_LENGTH))
