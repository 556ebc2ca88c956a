"""ViewManager and its views."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any

from viaduct_lab.vcenter.core import faults
from viaduct_lab.vcenter.core.containment import contains, members_of
from viaduct_lab.vcenter.core.context import Call, current_call
from viaduct_lab.vcenter.core.kinds import kind
from viaduct_lab.vcenter.core.managed_entity import ManagedEntity
from viaduct_lab.vcenter.core.managed_object import ManagedObject, soap_method
from viaduct_lab.vcenter.core.sessions import Session
from viaduct_lab.vcenter.core.types import Ref, VimType, vim

if TYPE_CHECKING:
    from viaduct_lab.vcenter.core.center import VCenter


class View(ManagedObject):
    """A view belongs to a session."""

    def __init__(self, center: VCenter, session: Session) -> None:
        super().__init__(center, f"session[{session.key}]{uuid.uuid4()}")
        self._session = session

    def open(self) -> Ref:
        """Enter the registry; returns the reference."""
        self.center.registry.add(self)
        self._session.own(self)
        return self.ref

    def view_refs(self) -> list[Ref]:
        """The objects in view."""
        raise NotImplementedError

    def prop_view(self) -> list[Ref]:
        return self.view_refs()

    @soap_method("DestroyView")
    def destroy(self, call: Call, args: Any) -> None:
        self._session.disown(self)
        self.center.registry.remove(self)


@kind
class ViewManager(ManagedObject):
    """Makes views."""

    vim_type = vim.view.ViewManager
    volatile = frozenset({"viewList"})

    def prop_viewList(self) -> list[Ref]:
        call = current_call.get()
        if call is None or call.session is None:
            return []
        return [obj.ref for obj in call.session.owned.values() if isinstance(obj, View)]

    @soap_method("CreateContainerView")
    def create_container_view(self, call: Call, args: Any) -> Ref:
        container = self.center.registry.find(args.container, ManagedEntity)
        if not issubclass(
            container.vim_type,
            (vim.Folder, vim.Datacenter, vim.ComputeResource, vim.ResourcePool, vim.HostSystem),
        ):
            raise faults.invalid_argument("container")
        view = ContainerView(
            self.center,
            call.required_session(),
            container,
            tuple(args.type),
            bool(args.recursive),
        )
        return view.open()

    @soap_method("CreateListView")
    def create_list_view(self, call: Call, args: Any) -> Ref:
        return ListView(self.center, call.required_session(), list(args.obj)).open()

    @soap_method("CreateListViewFromView")
    def create_list_view_from_view(self, call: Call, args: Any) -> Ref:
        source = self.center.registry.find(args.view, View)
        return ListView(self.center, call.required_session(), source.view_refs()).open()

    @soap_method("CreateInventoryView")
    def create_inventory_view(self, call: Call, args: Any) -> Ref:
        return InventoryView(self.center, call.required_session()).open()


@kind
class ContainerView(View):
    """The entities in a container, by type. Follows the inventory as it changes."""

    vim_type = vim.view.ContainerView

    def __init__(
        self,
        center: VCenter,
        session: Session,
        container: ManagedEntity,
        types: tuple[VimType, ...],
        recursive: bool,
    ) -> None:
        super().__init__(center, session)
        self.container = container
        self.types = types
        self.recursive = recursive
        self._members: dict[str, ManagedEntity] | None = None

    def open(self) -> Ref:
        self.center.registry.tree_listeners.add(self._tree_changed)
        return super().open()

    def removed(self) -> None:
        self.center.registry.tree_listeners.discard(self._tree_changed)

    def _wanted(self, entity: ManagedEntity) -> bool:
        return not self.types or issubclass(entity.vim_type, self.types)

    def _tree_changed(self, entity: ManagedEntity) -> None:
        if entity.children():
            self._members = None  # what is below it has come or gone with it
            self.notify("view")
            return
        if not self._wanted(entity):
            return
        inside = contains(self.center.registry, self.container, entity, self.recursive)
        if self._members is not None:
            if (entity.moid in self._members) == inside:
                return
            if inside:
                self._members[entity.moid] = entity
            else:
                del self._members[entity.moid]
        self.notify("view")

    def view_refs(self) -> list[Ref]:
        if self._members is None:
            found = members_of(self.center.registry, self.container, self.recursive)
            self._members = {each.moid: each for each in found if self._wanted(each)}
        return [entity.ref for entity in self._members.values()]

    def prop_container(self) -> Ref:
        return self.container.ref

    def prop_type(self) -> list[str]:
        return [cls._wsdlName for cls in self.types]

    def prop_recursive(self) -> bool:
        return self.recursive


@kind
class ListView(View):
    """The objects that the client has put in."""

    vim_type = vim.view.ListView
    volatile = frozenset({"view"})

    def __init__(self, center: VCenter, session: Session, refs: list[Ref]) -> None:
        super().__init__(center, session)
        self._members: dict[str, Ref] = {}
        self._add(refs)

    def _add(self, refs: list[Ref]) -> list[Ref]:
        unresolved = []
        for ref in refs:
            if self.center.registry.get(ref._moId) is None:
                unresolved.append(ref)
            else:
                self._members[ref._moId] = ref
        return unresolved

    def view_refs(self) -> list[Ref]:
        registry = self.center.registry
        return [ref for moid, ref in self._members.items() if registry.get(moid) is not None]

    @soap_method("ModifyListView")
    def modify(self, call: Call, args: Any) -> list[Ref]:
        for ref in args.remove:
            self._members.pop(ref._moId, None)
        unresolved = self._add(list(args.add))
        self.notify("view")
        return unresolved

    @soap_method("ResetListView")
    def reset(self, call: Call, args: Any) -> list[Ref]:
        self._members.clear()
        unresolved = self._add(list(args.obj))
        self.notify("view")
        return unresolved

    @soap_method("ResetListViewFromView")
    def reset_from_view(self, call: Call, args: Any) -> None:
        source = self.center.registry.find(args.view, View)
        refs = source.view_refs()
        self._members.clear()
        self._add(refs)
        self.notify("view")


@kind
class InventoryView(View):
    """The root folder, and the children of the entities that the client has opened."""

    vim_type = vim.view.InventoryView
    volatile = frozenset({"view"})

    def __init__(self, center: VCenter, session: Session) -> None:
        super().__init__(center, session)
        self._opened: dict[str, None] = {}

    def view_refs(self) -> list[Ref]:
        root = self.center.root_folder
        found: dict[str, Ref] = {root.moid: root.ref}
        for moid in self._opened:
            entity = self.center.registry.get(moid)
            if isinstance(entity, ManagedEntity):
                found[moid] = entity.ref
                found.update({child.moid: child.ref for child in entity.children()})
        return list(found.values())

    @soap_method("OpenInventoryViewFolder")
    def open_folder(self, call: Call, args: Any) -> list[Ref]:
        unresolved = []
        for ref in args.entity:
            if self.center.registry.get(ref._moId) is None:
                unresolved.append(ref)
            else:
                self._opened[ref._moId] = None
        self.notify("view")
        return unresolved

    @soap_method("CloseInventoryViewFolder")
    def close_folder(self, call: Call, args: Any) -> list[Ref]:
        unresolved = [ref for ref in args.entity if ref._moId not in self._opened]
        for ref in args.entity:
            self._opened.pop(ref._moId, None)
        self.notify("view")
        return unresolved
