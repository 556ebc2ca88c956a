"""Values of properties as XML, kept with the object until they change."""

from __future__ import annotations

from typing import Any

from viaduct_lab.vcenter.core.managed_object import ManagedObject
from viaduct_lab.vcenter.core.property_paths import declared_type, parse_path, value_at
from viaduct_lab.vcenter.soap.serialize import Serializer


def value_of(obj: ManagedObject, path: str) -> Any:
    """The value of ``path`` on ``obj``; None when unset. Raises ``InvalidProperty``."""
    declared_type(obj.vim_type, path)
    steps = parse_path(path)
    return value_at(obj.read(steps[0].name), steps)


def fragment(obj: ManagedObject, path: str, serializer: Serializer) -> str:
    """``path`` of ``obj`` as a ``val`` element with its ``xsi:type``; empty when unset.

    Raises ``InvalidProperty``.
    """
    key = (path, serializer.version)
    found = obj.xml_cache.get(key)
    if found is None:
        found = _render(obj, path, serializer, "val")
        if parse_path(path)[0].name not in obj.volatile:
            obj.xml_cache[key] = found
    return found


def fetch(obj: ManagedObject, path: str, serializer: Serializer) -> str:
    """``path`` of ``obj`` as the result of ``Fetch``."""
    return _render(obj, path, serializer, "returnval")


def _render(obj: ManagedObject, path: str, serializer: Serializer, tag: str) -> str:
    value = value_of(obj, path)
    if value is None:
        return ""
    return serializer.any_value(tag, value, declared_type(obj.vim_type, path))
