"""Which objects a PropertyFilterSpec selects, and which of their properties."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from viaduct_lab.vcenter.core import faults
from viaduct_lab.vcenter.core.managed_object import ManagedObject
from viaduct_lab.vcenter.core.properties import value_of
from viaduct_lab.vcenter.core.property_paths import declared_type, parse_path
from viaduct_lab.vcenter.core.types import VimType, support, vmodl

if TYPE_CHECKING:
    from viaduct_lab.vcenter.core.registry import Registry

_TraversalSpec: Any = vmodl.query.PropertyCollector.TraversalSpec


class PropertyPlan:
    """The ``propSet`` of a filter: what to report of each type."""

    def __init__(self, prop_set: Iterable[Any]) -> None:
        """Raises ``InvalidProperty`` for a path that its type does not have."""
        self._specs = list(prop_set)
        self._by_type: dict[VimType, tuple[str, ...] | None] = {}
        for spec in self._specs:
            if spec.type is None:
                raise faults.invalid_argument("specSet.propSet.type")
            for path in spec.pathSet:
                declared_type(spec.type, path)

    def paths(self, vim_type: VimType) -> tuple[str, ...] | None:
        """The paths to report of an object of this type, in the order asked for; None: do not report it."""
        if vim_type not in self._by_type:
            self._by_type[vim_type] = self._collect(vim_type)
        return self._by_type[vim_type]

    def _collect(self, vim_type: VimType) -> tuple[str, ...] | None:
        found: dict[str, None] = {}
        matched = False
        for spec in self._specs:
            if not issubclass(vim_type, spec.type):
                continue
            matched = True
            if spec.all:
                found.update(dict.fromkeys(info.name for info in vim_type._GetPropertyList()))
            found.update(dict.fromkeys(spec.pathSet))
        return tuple(found) if matched else None


class Selector:
    """The ``objectSet`` of a filter: where to begin and what to follow."""

    def __init__(self, registry: Registry, object_set: Iterable[Any], *, lenient: bool) -> None:
        """``lenient``: objects to begin with that do not exist are left out instead of a fault.

        Raises ``InvalidArgument`` for the name of a selection that no traversal has, and
        ``InvalidProperty`` for a path that its type does not have.
        """
        self._registry = registry
        self._object_set = list(object_set)
        self.lenient = lenient
        self._named: dict[str, Any] = {}
        for spec in self._object_set:
            self._index(spec.selectSet)
        self._expanded: dict[int, tuple[Any, ...]] = {}
        for spec in self._object_set:
            self._expand(spec.selectSet)
        for traversal in list(self._all_traversals()):
            self._expand(traversal.selectSet)
            declared_type(traversal.type, traversal.path)

    def select(self) -> tuple[dict[str, ManagedObject], dict[str, set[str]]]:
        """(selected objects by moid, in order; what the choice depends on: moid -> property names).

        Raises ``ManagedObjectNotFound`` if an object to begin with is missing and it is not lenient.
        """
        selected: dict[str, ManagedObject] = {}
        depends: dict[str, set[str]] = defaultdict(set)
        for spec in self._object_set:
            start = self._registry.get(spec.obj._moId) if spec.obj is not None else None
            if start is None:
                if self.lenient and spec.obj is not None:
                    continue
                raise faults.not_found(spec.obj)
            if not spec.skip:
                selected[start.moid] = start
            self._follow(start, self._expand(spec.selectSet), selected, depends)
        return selected, depends

    def _follow(
        self,
        start: ManagedObject,
        traversals: tuple[Any, ...],
        selected: dict[str, ManagedObject],
        depends: dict[str, set[str]],
    ) -> None:
        seen: set[tuple[str, int]] = set()
        stack = [(start, traversals)]
        while stack:
            obj, specs = stack.pop()
            below: list[tuple[ManagedObject, tuple[Any, ...]]] = []
            for spec in specs:
                if not issubclass(obj.vim_type, spec.type):
                    continue
                depends[obj.moid].add(parse_path(spec.path)[0].name)
                next_specs = self._expanded[id(spec.selectSet)]
                for target in self._targets(obj, spec.path):
                    mark = (target.moid, id(spec))
                    if mark in seen:
                        continue
                    seen.add(mark)
                    if not spec.skip:
                        selected[target.moid] = target
                    if next_specs:
                        below.append((target, next_specs))
            stack.extend(reversed(below))

    def _targets(self, obj: ManagedObject, path: str) -> Iterable[ManagedObject]:
        value = value_of(obj, path)
        if value is None:
            return
        for item in value if isinstance(value, list) else (value,):
            if isinstance(item, support.ManagedObject):
                target = self._registry.get(item._moId)
                if target is not None:
                    yield target

    def _index(self, select_set: Iterable[Any]) -> None:
        for spec in select_set:
            if isinstance(spec, _TraversalSpec):
                if spec.name:
                    self._named[spec.name] = spec
                self._index(spec.selectSet)

    def _expand(self, select_set: Any) -> tuple[Any, ...]:
        found = self._expanded.get(id(select_set))
        if found is None:
            specs = []
            for spec in select_set:
                if not isinstance(spec, _TraversalSpec):
                    spec = self._named.get(spec.name)
                    if spec is None:
                        raise faults.invalid_argument("specSet.objectSet.selectSet.name")
                specs.append(spec)
            found = self._expanded[id(select_set)] = tuple(specs)
        return found

    def _all_traversals(self) -> Iterable[Any]:
        todo = [spec.selectSet for spec in self._object_set]
        while todo:
            for spec in todo.pop():
                if isinstance(spec, _TraversalSpec):
                    yield spec
                    todo.append(spec.selectSet)
