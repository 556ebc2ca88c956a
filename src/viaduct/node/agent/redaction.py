"""Secrets must not get into messages: not with a journal's lines, not with a command's output."""

from __future__ import annotations

import re
from collections.abc import Iterable

from .files import Content
from .records import Manifest

SHORTEST = 6
_SECRET = re.compile(
    r"""(?im)^[^#\n=:]*(?:password|secret|key(?!stone)|cookie|hash)[\w"]*\s*[=:]\s*"?([^"\n]+?)"?,?\s*$"""
    r"""|://[^:/\s]+:([^@/\s]+)@"""
)


def secrets(manifest: Manifest, content: Content) -> list[str]:
    """Values in files that not everybody may read and that look like secrets, the longest first."""
    found: set[str] = set()
    for file in manifest["files"]:
        if file["mode"] & 0o004:
            continue
        text = content(file["sha256"]).decode(errors="replace")
        if "=" not in text and ":" not in text:
            found.add(text.strip())
        for match in _SECRET.finditer(text):
            value = next(group for group in match.groups() if group)
            found |= {value, value.replace(r"\$", "$")}
    return sorted((s for s in found if len(s) >= SHORTEST), key=len, reverse=True)


def redact(text: str, hidden: Iterable[str]) -> str:
    """``text`` without what is hidden."""
    for secret in hidden:
        text = text.replace(secret, "***")
    return text
