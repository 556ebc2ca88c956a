"""Whether something concerns an entity, in the sense of the history filters."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from viaduct_lab.vcenter.core.managed_entity import ManagedEntity

if TYPE_CHECKING:
    from viaduct_lab.vcenter.core.registry import Registry


def concerns(registry: Registry, scope: Any, moids: list[str]) -> bool:
    """Whether entities ``moids``, the most specific first, fall under ``scope``.

    ``scope``: an ``EventFilterSpecByEntity`` or ``TaskFilterSpecByEntity``, with ``recursion`` ``self``,
    ``children`` (the entity's children without itself) or ``all``.
    """
    wanted = scope.entity._moId
    if not moids:
        return False
    if scope.recursion == "self":
        return moids[0] == wanted
    above = _ancestors(registry, moids[0])
    if scope.recursion == "children":
        return bool(above) and above[0] == wanted
    return wanted in moids or wanted in above


def _ancestors(registry: Registry, moid: str) -> list[str]:
    entity = registry.get(moid)
    if not isinstance(entity, ManagedEntity):
        return []
    return [each.moid for each in entity.ancestors()]
