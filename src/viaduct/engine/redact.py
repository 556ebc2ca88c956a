"""The last line of defence against secrets in messages: masking those that are known."""

from __future__ import annotations

from collections.abc import Iterable

from viaduct.model.secret import Secret

_SHORTEST = 6
"""Shorter values would mask ordinary words."""


class Redactor:
    """Replaces known secrets in a text by stars."""

    def __init__(self) -> None:
        self._values: list[str] = []

    def add(self, secrets: Iterable[Secret]) -> None:
        """Learn secrets. Of a multi-line one (a PEM key), each line counts."""
        values = set(self._values)
        for secret in secrets:
            for line in secret.reveal().splitlines():
                if len(line) >= _SHORTEST and not line.startswith("-----"):
                    values.add(line)
        # Longest first: one secret may hold another.
        self._values = sorted(values, key=len, reverse=True)

    def __call__(self, text: str) -> str:
        for value in self._values:
            if value in text:
                text = text.replace(value, "***")
        return text
