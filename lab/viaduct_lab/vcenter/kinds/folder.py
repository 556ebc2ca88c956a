"""Folder."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

from viaduct_lab.vcenter.core import faults
from viaduct_lab.vcenter.core.context import Call
from viaduct_lab.vcenter.core.kinds import kind
from viaduct_lab.vcenter.core.managed_entity import ManagedEntity
from viaduct_lab.vcenter.core.managed_object import refs, soap_method, task_method
from viaduct_lab.vcenter.core.types import Ref, support, vim

if TYPE_CHECKING:
    from viaduct_lab.vcenter.core.center import VCenter
    from viaduct_lab.vcenter.core.tasks import TaskRun

_CHILD_TYPES: dict[str, tuple[Any, ...]] = {
    "datacenter": (vim.Folder, vim.Datacenter),
    "vm": (vim.Folder, vim.VirtualMachine, vim.VirtualApp),
    "host": (vim.Folder, vim.ComputeResource),
    "datastore": (vim.Folder, vim.Datastore, vim.StoragePod),
    "network": (vim.Folder, vim.Network, vim.DistributedVirtualSwitch),
}
_PREFIXES = {
    "datacenter": "group-d",
    "vm": "group-v",
    "host": "group-h",
    "datastore": "group-s",
    "network": "group-n",
}


@kind
class Folder(ManagedEntity):
    """A folder for ``datacenter`` (also the root), ``vm``, ``host``, ``datastore`` or ``network`` content."""

    vim_type = vim.Folder

    def __init__(self, center: VCenter, moid: str, name: str, parent: str | None, content: str) -> None:
        super().__init__(center, moid, name, parent)
        self.content = content

    @classmethod
    def create(cls, center: VCenter, parent: ManagedEntity, name: str, content: str) -> Self:
        """A new folder under ``parent``, in the registry."""
        moid = f"{_PREFIXES[content]}{center.store.next_number()}"
        folder = cls(center, moid, name, parent.moid, content)
        center.registry.add(folder)
        return folder

    @property
    def is_fixed(self) -> bool:
        """Whether it is the root folder or one of a datacenter's four: these can only be read."""
        return not isinstance(self.parent, Folder)

    def accepts(self, entity: ManagedEntity) -> bool:
        """Whether ``entity`` may be a child."""
        if isinstance(entity, Folder):
            return entity.content == self.content
        return issubclass(entity.vim_type, _CHILD_TYPES[self.content])

    def child_changed(self) -> None:
        self.notify("childEntity")
        if self.content in ("datastore", "network"):
            for above in self.ancestors():
                if issubclass(above.vim_type, vim.Datacenter):
                    above.notify(self.content)
                    break

    def prop_childType(self) -> list[str]:
        return [support.GetWsdlName(t) for t in _CHILD_TYPES[self.content]]

    def prop_childEntity(self) -> list[Ref]:
        return refs(self.children())

    # methods --------------------------------------------------------------------------------

    @soap_method("CreateFolder")
    def create_folder(self, call: Call, args: Any) -> Ref:
        name = self.center.naming.checked(None, args.name, parent=self)
        return Folder.create(self.center, self, name, self.content).ref

    @soap_method("CreateDatacenter")
    def create_datacenter(self, call: Call, args: Any) -> Ref:
        from viaduct_lab.vcenter.kinds.datacenter import Datacenter

        if self.content != "datacenter":
            raise faults.not_supported("A datacenter can only be created in a datacenter folder.")
        name = self.center.naming.checked(None, args.name, parent=self)
        made = Datacenter.create(self.center, self, name)
        self.center.events.post(
            vim.event.DatacenterCreatedEvent,
            made,
            f"Created datacenter {name} in folder {self.name}",
            parent=vim.event.FolderEventArgument(name=self.name, folder=self.ref),
        )
        return made.ref

    @task_method("MoveIntoFolder_Task")
    async def move_into(self, call: Call, args: Any, task: TaskRun) -> None:
        entities = [self.center.registry.find(ref, ManagedEntity) for ref in args.list]
        above = {self.moid, *(each.moid for each in self.ancestors())}
        for entity in entities:
            if not self.accepts(entity):
                raise faults.not_supported(
                    f"A {entity.type_name} cannot be moved into a {self.content} folder."
                )
            if _datacenter(entity) is not _datacenter(self):
                raise faults.not_supported("An entity cannot be moved to another datacenter's folder.")
            if entity.moid in above or not isinstance(entity.parent, Folder):
                raise faults.invalid_argument("list", f"{entity.name} cannot be moved there.")
            if entity.parent is not self:
                self.center.naming.checked(entity, entity.prop_name(), parent=self)
        for entity in entities:
            entity.move_to(self)

    @task_method("Destroy_Task")
    async def destroy(self, call: Call, args: Any, task: TaskRun) -> None:
        """Destroys the folder with what is in it, by each child's own ``Destroy_Task``."""
        if self.is_fixed:
            raise faults.not_supported("This folder cannot be destroyed.")
        for child in self.children():
            handler = child.soap_handlers.get("Destroy_Task")
            if handler is None:
                raise faults.not_supported(f"A {child.type_name} cannot be destroyed.")
            await getattr(child, handler)(call, args, task)
        self.center.registry.remove(self)

    # persistence ----------------------------------------------------------------------------

    def save(self) -> dict[str, Any]:
        return {**self.entity_state(), "content": self.content}

    @classmethod
    def load(cls, center: VCenter, moid: str, state: dict[str, Any]) -> Self:
        folder = cls(center, moid, state["name"], state["parent"], state["content"])
        folder.restore_entity(state)
        return folder


def _datacenter(entity: ManagedEntity) -> ManagedEntity | None:
    chain = (each for each in entity.ancestors() if issubclass(each.vim_type, vim.Datacenter))
    return next(chain, None)
