"""What a container view contains: the inventory tree, and VMs through hosts and pools."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from viaduct_lab.vcenter.core.managed_entity import ManagedEntity
from viaduct_lab.vcenter.core.types import vim

if TYPE_CHECKING:
    from viaduct_lab.vcenter.core.registry import Registry

_RELATIONS = ((vim.HostSystem, "vm.host"), (vim.ResourcePool, "vm.resourcePool"))


def contained(container: ManagedEntity) -> list[ManagedEntity]:
    """What is directly in ``container``: its children, and the VMs of a host or resource pool."""
    found = container.children()
    for vim_type, relation in _RELATIONS:
        if issubclass(container.vim_type, vim_type):
            found += [vm for vm in container.sources(relation) if isinstance(vm, ManagedEntity)]
    return found


def members_of(registry: Registry, container: ManagedEntity, recursive: bool) -> Iterator[ManagedEntity]:
    """All that is in ``container``, each entity once."""
    if registry.get(container.moid) is not container:
        return
    if not recursive:
        yield from contained(container)
        return
    seen: set[str] = set()
    stack = contained(container)[::-1]
    while stack:
        entity = stack.pop()
        if entity.moid in seen:
            continue
        seen.add(entity.moid)
        yield entity
        stack.extend(contained(entity)[::-1])


def contains(registry: Registry, container: ManagedEntity, entity: ManagedEntity, recursive: bool) -> bool:
    """Whether ``entity`` is now in ``container``."""
    if registry.get(entity.moid) is not entity or registry.get(container.moid) is not container:
        return False
    todo = list(_holders(registry, entity))
    seen = {each.moid for each in todo}
    while todo:
        holder = todo.pop()
        if holder is container:
            return True
        if not recursive:
            continue
        for above in _holders(registry, holder):
            if above.moid not in seen:
                seen.add(above.moid)
                todo.append(above)
    return False


def _holders(registry: Registry, entity: ManagedEntity) -> Iterator[ManagedEntity]:
    if entity.parent is not None:
        yield entity.parent
    for _, relation in _RELATIONS:
        for moid in entity.center.relations.targets(entity.moid, relation):
            holder = registry.get(moid)
            if isinstance(holder, ManagedEntity):
                yield holder
