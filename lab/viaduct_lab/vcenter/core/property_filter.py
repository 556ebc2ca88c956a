"""One filter of a property collector: what its client knows, and what it has yet to be told."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from viaduct_lab.vcenter.core.managed_object import ManagedObject
from viaduct_lab.vcenter.core.properties import fragment
from viaduct_lab.vcenter.core.property_paths import parse_path
from viaduct_lab.vcenter.core.selection import PropertyPlan, Selector
from viaduct_lab.vcenter.soap.serialize import Serializer

if TYPE_CHECKING:
    from viaduct_lab.vcenter.core.center import VCenter

_ALL: frozenset[str] = frozenset()


class FilterEngine:
    """Follows the journal, so that an update costs what has changed, not what is watched.

    The selection is made anew only when something that it was traversed through has changed.
    """

    def __init__(self, center: VCenter, spec: Any, on_wake: Callable[[], None]) -> None:
        """Raises the faults of :class:`Selector` and :class:`PropertyPlan`, and of a missing object."""
        self._center = center
        self._plan = PropertyPlan(spec.propSet)
        self._selector = Selector(
            center.registry,
            spec.objectSet,
            lenient=bool(spec.reportMissingObjectsInResults),
        )
        self._on_wake = on_wake
        self._members: dict[str, tuple[str, ...]] = {}
        self._types: dict[str, str] = {}
        self._depends: dict[str, set[str]] = {}
        self._told: dict[str, dict[str, str]] = {}
        self._pending: dict[str, set[str] | frozenset[str]] = {}
        self._leaving: dict[str, str] = {}
        self._stale = False
        self._select()
        self._selector.lenient = True  # an object that goes later on simply leaves

    @property
    def has_updates(self) -> bool:
        """Whether there may be something to tell."""
        return self._stale or bool(self._pending) or bool(self._leaving)

    def reset(self) -> None:
        """The client knows nothing any more: tell everything again."""
        self._told.clear()
        self._leaving.clear()
        self._pending = dict.fromkeys(self._members, _ALL)
        self._stale = True

    def close(self) -> None:
        """Stop watching."""
        for moid in self._members.keys() | self._depends.keys():
            self._center.journal.unwatch(moid, self)
        self._members, self._depends, self._pending = {}, {}, {}

    # what the journal tells -----------------------------------------------------------------

    def object_changed(self, moid: str, names: tuple[str, ...]) -> None:
        depends = self._depends.get(moid)
        if depends is not None and (not names or not depends.isdisjoint(names)):
            self._stale = True
        if moid not in self._members:
            return
        if not names:
            self._pending[moid] = _ALL
            return
        before = self._pending.get(moid)
        if before is None:
            self._pending[moid] = set(names)
        elif before is not _ALL:
            self._pending[moid] = before | set(names)

    def object_gone(self, moid: str) -> None:
        self._stale = True

    def wake(self) -> None:
        if self.has_updates:
            self._on_wake()

    # what the client is told ----------------------------------------------------------------

    def updates(self, serializer: Serializer, limit: int) -> list[str]:
        """Up to ``limit`` ``objectSet`` elements; what is left stays pending."""
        if self._stale:
            self._select()
        found: list[str] = []
        for moid in list(self._leaving):
            if len(found) >= limit:
                return found
            found.append(_object_update("leave", self._leaving.pop(moid), moid, ""))
        for moid in list(self._pending):
            if len(found) >= limit:
                return found
            update = self._update_of(moid, self._pending.pop(moid), serializer)
            if update:
                found.append(update)
        return found

    def _update_of(self, moid: str, names: set[str] | frozenset[str], serializer: Serializer) -> str:
        obj = self._center.registry.get(moid)
        if obj is None:
            return ""
        paths = self._members[moid]
        told = self._told.get(moid)
        if told is None:
            told = {p: x for p in paths if (x := fragment(obj, p, serializer))}
            self._told[moid] = told
            return _object_update("enter", obj.type_name, moid, _changes(told.items()))
        changes = []
        for path in paths:
            if names and parse_path(path)[0].name not in names:
                continue
            xml = fragment(obj, path, serializer)
            if xml != told.get(path, ""):
                changes.append((path, xml))
                if xml:
                    told[path] = xml
                else:
                    del told[path]
        return _object_update("modify", obj.type_name, moid, _changes(changes)) if changes else ""

    def _select(self) -> None:
        self._stale = False
        selected, depends = self._selector.select()
        members = {
            moid: paths
            for moid, obj in selected.items()
            if (paths := self._plan.paths(obj.vim_type)) is not None
        }
        self._rewatch(members.keys() | depends.keys())
        for moid in self._members.keys() - members.keys():
            self._pending.pop(moid, None)
            if self._told.pop(moid, None) is not None:
                self._leaving[moid] = self._types[moid]
        for moid in members:
            if moid not in self._members:
                self._pending[moid] = _ALL
                self._types[moid] = _type_name(selected[moid])
        self._members, self._depends = members, depends

    def _rewatch(self, wanted: set[str]) -> None:
        watched = self._members.keys() | self._depends.keys()
        for moid in watched - wanted:
            self._center.journal.unwatch(moid, self)
        for moid in wanted - watched:
            self._center.journal.watch(moid, self)


def _type_name(obj: ManagedObject) -> str:
    return obj.type_name


def _object_update(kind: str, type_name: str, moid: str, changes: str) -> str:
    return f'<objectSet><kind>{kind}</kind><obj type="{type_name}">{moid}</obj>{changes}</objectSet>'


def _changes(fragments: Any) -> str:
    return "".join(_change(path, xml) for path, xml in fragments)


def _change(path: str, xml: str) -> str:
    name = path.replace("&", "&amp;").replace("<", "&lt;")
    return f"<changeSet><name>{name}</name><op>assign</op>{xml}</changeSet>"


def object_content(
    tag: str, rows: list[tuple[ManagedObject, tuple[str, ...]]], serializer: Serializer
) -> str:
    """``ObjectContent`` elements for (object, property paths)."""
    return "".join(_content_pieces(tag, rows, serializer))


def _content_pieces(
    tag: str, rows: list[tuple[ManagedObject, tuple[str, ...]]], serializer: Serializer
) -> Iterator[str]:
    for obj, paths in rows:
        yield f'<{tag}><obj type="{obj.type_name}">{obj.moid}</obj>'
        for path in paths:
            xml = fragment(obj, path, serializer)
            if xml:
                name = path.replace("&", "&amp;").replace("<", "&lt;")
                yield f"<propSet><name>{name}</name>{xml}</propSet>"
        yield f"</{tag}>"
