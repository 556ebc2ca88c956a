"""The change journal: which property filters a changed object concerns."""

from __future__ import annotations

from collections import defaultdict
from typing import Protocol


class Watcher(Protocol):
    """Who wants to hear of changes: a property filter."""

    def object_changed(self, moid: str, names: tuple[str, ...]) -> None:
        """Properties ``names`` (all, if empty) of an object may have changed."""

    def object_gone(self, moid: str) -> None:
        """The object has ceased to exist."""

    def wake(self) -> None:
        """What was told so far is now committed."""


class Journal:
    """Routes changes to the watchers of the object; a change nobody watches costs a lookup."""

    def __init__(self) -> None:
        self._watchers: dict[str, dict[Watcher, None]] = defaultdict(dict)
        self._touched: dict[Watcher, None] = {}

    def watch(self, moid: str, watcher: Watcher) -> None:
        """Have ``watcher`` told of changes of an object."""
        self._watchers[moid][watcher] = None

    def unwatch(self, moid: str, watcher: Watcher) -> None:
        """End :meth:`watch`."""
        watchers = self._watchers.get(moid)
        if watchers is not None:
            watchers.pop(watcher, None)
            if not watchers:
                del self._watchers[moid]

    def record(self, moid: str, names: tuple[str, ...]) -> None:
        """An object has changed."""
        for watcher in tuple(self._watchers.get(moid, ())):
            watcher.object_changed(moid, names)
            self._touched[watcher] = None

    def gone(self, moid: str) -> None:
        """An object has ceased to exist."""
        for watcher in tuple(self._watchers.get(moid, ())):
            watcher.object_gone(moid)
            self._touched[watcher] = None

    def publish(self) -> None:
        """Wake the watchers that have been told something since the last time."""
        touched, self._touched = self._touched, {}
        for watcher in touched:
            watcher.wake()
