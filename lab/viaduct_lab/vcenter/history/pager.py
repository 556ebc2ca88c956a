"""A scrollable view on a growing list: how history collectors page."""

from __future__ import annotations

from typing import Any

DEFAULT_PAGE = 10
MAX_PAGE = 1000


class Pager:
    """A position in a list of items that only grows at its end.

    As in vCenter, the position begins behind the newest item: reading previous pages goes back in time,
    reading next ones from a rewound position comes forward. Items that arrive later are read by next.
    """

    def __init__(self, items: list[Any]) -> None:
        self.items = items
        self.page_size = DEFAULT_PAGE
        self._position = len(items)

    def latest_page(self) -> list[Any]:
        """The newest items, the newest first."""
        return self.items[-self.page_size :][::-1]

    def rewind(self) -> None:
        """Go before the oldest item."""
        self._position = 0

    def reset(self) -> None:
        """Go to just before the latest page."""
        self._position = max(len(self.items) - self.page_size, 0)

    def read_next(self, count: int) -> list[Any]:
        """Up to ``count`` items from the position on, oldest first."""
        found = self.items[self._position : self._position + count]
        self._position += len(found)
        return found

    def read_previous(self, count: int) -> list[Any]:
        """Up to ``count`` items before the position, the newest first."""
        start = max(self._position - count, 0)
        found = self.items[start : self._position][::-1]
        self._position = start
        return found
