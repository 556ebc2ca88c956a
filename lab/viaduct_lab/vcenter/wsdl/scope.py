"""What a service description covers: the whole API, or what this vCenter provides of it.

A client such as suds spends its time on every type and operation that the description has, whether it uses
them or not.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from viaduct_lab.vcenter.core.content import known
from viaduct_lab.vcenter.core.kinds import all_kinds
from viaduct_lab.vcenter.core.types import VimType, support, vmodl
from viaduct_lab.vcenter.wsdl import schema


@dataclass(frozen=True)
class Scope:
    """Types by name, operations, and the types that have an ``ArrayOf…``."""

    types: tuple[VimType, ...]
    methods: tuple[Any, ...]
    arrays: frozenset[VimType]


def complete() -> Scope:
    """All that the API has in our version."""
    types = tuple(schema.all_types())
    return Scope(types, tuple(_methods()), frozenset(types))


def provided() -> Scope:
    """The operations that the registered kinds implement, and every type that can occur in them.

    Such are the types of parameters and results, of all properties of these kinds, and what those consist of;
    each with its base types and its subtypes, because a subtype may stand wherever its base is declared.
    """
    names = {name for kind in all_kinds() for name in kind.soap_handlers}
    methods = tuple(method for method in _methods() if method.wsdlName in names)
    declared = [declared for method in methods for declared in _signature(method)]
    declared += [each for kind in all_kinds() for each in _properties(kind.vim_type)]
    every = schema.all_types()
    reached = _reached(declared, every)
    types = tuple(each for each in every if each in reached)
    declared += [each for found in types for each in _properties(found)]
    # An array is named only where its type is not declared: as a property's value, or a task's result.
    arrays = frozenset(each.Item for each in declared if issubclass(each, list))
    return Scope(types, methods, arrays)


def _methods() -> Iterator[Any]:
    for name in sorted(support.ListManagedTypes()):
        vim_type = support.GetVmodlType(name)
        if vim_type is support.ManagedObject or not known(vim_type._version):
            continue
        for method in vim_type._methodInfo.values():
            namespace = support.GetWsdlNamespace(method.version)
            if namespace == schema.NAMESPACE and known(method.version):
                yield method


def _signature(method: Any) -> Iterator[VimType]:
    yield from (parameter.type for parameter in method.params if known(parameter.version))
    yield from (method.result, method.methodResult)


def _properties(vim_type: VimType) -> Iterator[VimType]:
    if issubclass(vim_type, support.DataObject | support.ManagedObject):
        yield from (info.type for info in vim_type._GetPropertyList() if known(info.version))


def _reached(declared: Iterable[VimType], every: Iterable[VimType]) -> set[VimType]:
    of_api = set(every)
    subtypes = defaultdict(list)
    for each in of_api:
        for base in each.__mro__[1:]:
            subtypes[base].append(each)
    # All data derives from this one: where nothing more is declared, nothing is known of what may come.
    subtypes.pop(vmodl.DynamicData, None)
    found: set[VimType] = set()
    todo = [schema.LOCALIZED_FAULT, schema.METHOD_FAULT, *declared]
    while todo:
        each = todo.pop()
        item = each.Item if issubclass(each, list) else each
        if item in found or item not in of_api:
            continue
        found.add(item)
        todo += [*_properties(item), *item.__mro__[1:], *subtypes[item]]
    return found
