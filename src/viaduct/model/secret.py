"""A value that must not appear in logs, plans, process lists or exceptions."""

from __future__ import annotations


class Secret:
    """Wraps a secret text; only :meth:`reveal` gives it back.

    ``repr``, ``str`` and formatting show stars, so that a secret that strays into a message stays unread.
    """

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        """The secret itself: call it only where it is handed to whom it serves."""
        return self._value

    def __repr__(self) -> str:
        return "Secret('***')"

    __str__ = __repr__

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other._value == self._value

    def __hash__(self) -> int:
        return hash(self._value)
