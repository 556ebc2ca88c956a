"""All managed objects by id, and the inventory tree."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, TypeVar

from viaduct_lab.vcenter.core import faults
from viaduct_lab.vcenter.core.managed_entity import ManagedEntity
from viaduct_lab.vcenter.core.managed_object import ManagedObject
from viaduct_lab.vcenter.core.types import Ref

if TYPE_CHECKING:
    from viaduct_lab.vcenter.core.center import VCenter

Kind = TypeVar("Kind", bound=ManagedObject)
TreeListener = Callable[[ManagedEntity], None]


class Registry:
    """Finds managed objects, gives out ids and keeps parents and children together."""

    def __init__(self, center: VCenter) -> None:
        self._center = center
        self._objects: dict[str, ManagedObject] = {}
        self._children: dict[str, dict[str, None]] = defaultdict(dict)
        self.tree_listeners: set[TreeListener] = set()
        """Called with each entity that has come, gone or moved (views listen)."""

    def __len__(self) -> int:
        return len(self._objects)

    def __iter__(self) -> Iterator[ManagedObject]:
        return iter(tuple(self._objects.values()))

    def new_moid(self, prefix: str) -> str:
        """A fresh id such as ``vm-101``. Numbers are never used again, even after a restart."""
        return f"{prefix}-{self._center.store.next_number()}"

    def get(self, moid: str) -> ManagedObject | None:
        """The object with this id, if there is one."""
        return self._objects.get(moid)

    def find(self, ref: Ref, kind: type[Kind]) -> Kind:
        """The object that ``ref`` names. Raises ``ManagedObjectNotFound`` if it is gone or another kind."""
        found = self._objects.get(ref._moId) if ref is not None else None
        if not isinstance(found, kind):
            raise faults.not_found(ref)
        return found

    def of_kind(self, kind: type[Kind]) -> list[Kind]:
        """All objects of a kind (subclasses included), in the order in which they came."""
        return [obj for obj in self._objects.values() if isinstance(obj, kind)]

    def children(self, moid: str) -> list[ManagedEntity]:
        """The child entities of an entity."""
        found = (self._objects.get(child) for child in self._children.get(moid, ()))
        return [entity for entity in found if isinstance(entity, ManagedEntity)]

    def add(self, obj: ManagedObject) -> None:
        """Bring a new object into being: it is found from now on and will be persisted."""
        self.restore(obj)
        obj.changed()
        if isinstance(obj, ManagedEntity):
            self._tell(obj, obj.parent_moid)

    def restore(self, obj: ManagedObject) -> None:
        """Take in an object read from the database: nobody is told."""
        if obj.moid in self._objects:
            raise ValueError(f"{obj.moid} exists")
        self._objects[obj.moid] = obj
        if isinstance(obj, ManagedEntity) and obj.parent_moid is not None:
            self._children[obj.parent_moid][obj.moid] = None

    def remove(self, obj: ManagedObject) -> None:
        """Let an object cease to exist. Entities must have no children any more."""
        if self._objects.pop(obj.moid, None) is None:
            return
        parent = None
        if isinstance(obj, ManagedEntity) and obj.parent_moid is not None:
            parent = obj.parent_moid
            self._children[parent].pop(obj.moid, None)
        self._children.pop(obj.moid, None)
        self._center.relations.forget(obj.moid)
        self._center.journal.gone(obj.moid)
        if obj.persistent:
            self._center.store.forget(obj.moid)
        obj.removed()
        if isinstance(obj, ManagedEntity):
            self._tell(obj, parent)

    def reparent(self, entity: ManagedEntity, parent: str) -> None:
        """Move ``entity`` under another parent."""
        old = entity.parent_moid
        if old == parent:
            return
        if old is not None:
            self._children[old].pop(entity.moid, None)
        entity.parent_moid = parent
        self._children[parent][entity.moid] = None
        entity.changed("parent")
        self._tell(entity, old, parent)

    def _tell(self, entity: ManagedEntity, *parents: str | None) -> None:
        for moid in parents:
            parent = self._objects.get(moid) if moid is not None else None
            if isinstance(parent, ManagedEntity):
                parent.child_changed()
        self.tree_changed(entity)

    def tree_changed(self, entity: ManagedEntity) -> None:
        """Tell the views that an entity has come, gone or moved, in the tree or by a relation."""
        for listener in tuple(self.tree_listeners):
            listener(entity)
