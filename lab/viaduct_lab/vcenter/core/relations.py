"""Who points at whom: relations between managed objects, with their reverse."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable


class Relations:
    """Named relations ``source -> targets`` of moids, kept together with their reverse.

    The source's kind owns a relation: it calls :meth:`assign` whenever the targets change, and again
    in ``restored()`` after a start (relations are not persisted).
    """

    def __init__(self, on_change: Callable[[str, str, str], None]) -> None:
        """``on_change(source_moid, target_moid, relation)`` is called for each target gained or lost."""
        self._on_change = on_change
        self._targets: dict[tuple[str, str], tuple[str, ...]] = {}
        self._sources: dict[tuple[str, str], dict[str, None]] = defaultdict(dict)
        self._names: dict[str, set[str]] = defaultdict(set)

    def assign(self, source: str, relation: str, targets: Iterable[str]) -> None:
        """Make ``targets`` the targets of ``source`` in ``relation``."""
        new = tuple(dict.fromkeys(targets))
        old = self._targets.get((source, relation), ())
        if new == old:
            return
        if new:
            self._targets[source, relation] = new
            self._names[source].add(relation)
        else:
            self._targets.pop((source, relation), None)
        for target in old:
            if target not in new:
                self._sources[target, relation].pop(source, None)
                self._on_change(source, target, relation)
        for target in new:
            if target not in old:
                self._sources[target, relation][source] = None
                self._on_change(source, target, relation)

    def targets(self, source: str, relation: str) -> tuple[str, ...]:
        """The targets of ``source``."""
        return self._targets.get((source, relation), ())

    def sources(self, target: str, relation: str) -> tuple[str, ...]:
        """The sources that point at ``target``."""
        return tuple(self._sources.get((target, relation), ()))

    def forget(self, moid: str) -> None:
        """Drop all relations whose source is ``moid``."""
        for relation in self._names.pop(moid, ()):
            self.assign(moid, relation, ())
