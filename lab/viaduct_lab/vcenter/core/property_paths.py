"""Property paths: ``summary.runtime.host``, ``config.extraConfig["a.b"].value``."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Any

from viaduct_lab.vcenter.core import faults
from viaduct_lab.vcenter.core.types import VimType, support


@dataclass(frozen=True)
class Step:
    """One property of a path, with the key that picks an element of an array."""

    name: str
    key: str | None = None


@lru_cache(maxsize=4096)
def parse_path(path: str) -> tuple[Step, ...]:
    """The steps of ``path``. Dots inside brackets do not divide. Raises ``InvalidProperty``."""
    steps: list[Step] = []
    rest = path
    while True:
        end = next((i for i, char in enumerate(rest) if char in ".["), len(rest))
        name, rest = rest[:end], rest[end:]
        if not name.isidentifier():
            raise faults.invalid_property(path)
        key = None
        if rest.startswith("["):
            key, rest = _bracket(path, rest)
        steps.append(Step(name, key))
        if not rest:
            return tuple(steps)
        if not rest.startswith("."):
            raise faults.invalid_property(path)
        rest = rest[1:]


def _bracket(path: str, rest: str) -> tuple[str, str]:
    if rest.startswith('["'):
        end = rest.find('"]', 2)
        start, width = 2, 2
    else:
        end = rest.find("]")
        start, width = 1, 1
    if end < start:
        raise faults.invalid_property(path)
    return rest[start:end], rest[end + width :]


@lru_cache(maxsize=8192)
def declared_type(owner: VimType, path: str) -> VimType:
    """The declared type of ``path`` on the managed object type ``owner``.

    A step that only subtypes of the declared data type have is allowed. Raises ``InvalidProperty``.
    """
    current: VimType = owner
    for step in parse_path(path):
        found = _property_type(current, step.name)
        if found is None:
            raise faults.invalid_property(path)
        current = found
        if step.key is not None:
            if not issubclass(current, list):
                raise faults.invalid_property(path)
            current = current.Item
    return current


def value_at(root: Any, steps: tuple[Step, ...]) -> Any:
    """The value that ``steps`` lead to, the first step's property having the value ``root``.

    None if anything on the way is unset or has no such element.
    """
    value = root
    for index, step in enumerate(steps):
        if value is None:
            return None
        if index:
            if isinstance(value, list):
                return None
            value = getattr(value, step.name, None)
        if step.key is not None and value is not None:
            value = next((item for item in value if _key_of(item) == step.key), None)
    return value


def _key_of(item: Any) -> str | None:
    if isinstance(item, support.ManagedObject):
        return str(item._moId)
    key = getattr(item, "key", None)
    if isinstance(key, support.ManagedObject):
        return str(key._moId)
    return None if key is None else str(key)


def _property_type(owner: VimType, name: str) -> VimType | None:
    if not issubclass(owner, support.DataObject | support.ManagedObject):
        return None
    with contextlib.suppress(AttributeError):
        return owner._GetPropertyInfo(name).type
    if issubclass(owner, support.DataObject):
        for subtype in _subtypes(owner):
            if name in subtype._propInfo:
                return subtype._propInfo[name].type
    return None


@cache
def load_all_types() -> None:
    """Have pyVmomi load all of its types, so that ``__subclasses__`` is complete (0.2 s, once)."""
    support.GetWsdlTypes()


def _subtypes(owner: VimType) -> Iterator[VimType]:
    load_all_types()
    todo = list(owner.__subclasses__())
    while todo:
        subtype = todo.pop()
        yield subtype
        todo.extend(subtype.__subclasses__())
