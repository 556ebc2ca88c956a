"""Datacenter."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

from viaduct_lab.vcenter.core import faults
from viaduct_lab.vcenter.core.context import Call
from viaduct_lab.vcenter.core.kinds import kind, on_build
from viaduct_lab.vcenter.core.managed_entity import ManagedEntity
from viaduct_lab.vcenter.core.managed_object import refs, soap_method, task_method
from viaduct_lab.vcenter.core.types import Ref, VimType, vim
from viaduct_lab.vcenter.hosts.vm_options import option_descriptors
from viaduct_lab.vcenter.kinds.folder import Folder

if TYPE_CHECKING:
    from viaduct_lab.vcenter.core.center import VCenter
    from viaduct_lab.vcenter.core.tasks import TaskRun

_FOLDERS = ("vm", "host", "datastore", "network")


@kind
class Datacenter(ManagedEntity):
    """A datacenter with its four folders."""

    vim_type = vim.Datacenter

    @classmethod
    def create(cls, center: VCenter, parent: ManagedEntity, name: str) -> Self:
        """A new datacenter with its folders, in the registry."""
        datacenter = cls(center, center.registry.new_moid("datacenter"), name, parent.moid)
        center.registry.add(datacenter)
        for content in _FOLDERS:
            Folder.create(center, datacenter, content, content)
        return datacenter

    def folder(self, content: str) -> Folder:
        """One of the four folders: ``vm``, ``host``, ``datastore`` or ``network``."""
        for child in self.children():
            if isinstance(child, Folder) and child.content == content:
                return child
        raise KeyError(content)

    def _inside(self, content: str, vim_type: VimType) -> list[ManagedEntity]:
        found = self.folder(content).descendants()
        return [entity for entity in found if issubclass(entity.vim_type, vim_type)]

    def prop_vmFolder(self) -> Ref:
        return self.folder("vm").ref

    def prop_hostFolder(self) -> Ref:
        return self.folder("host").ref

    def prop_datastoreFolder(self) -> Ref:
        return self.folder("datastore").ref

    def prop_networkFolder(self) -> Ref:
        return self.folder("network").ref

    def prop_datastore(self) -> list[Ref]:
        return refs(self._inside("datastore", vim.Datastore))

    def prop_network(self) -> list[Ref]:
        return refs(self._inside("network", vim.Network))

    def prop_configuration(self) -> Any:
        return vim.Datacenter.ConfigInfo(defaultHardwareVersionKey="vmx-21")

    @soap_method("queryDatacenterConfigOptionDescriptor")
    def query_config_options(self, call: Call, args: Any) -> list[Any]:
        return option_descriptors(())

    @task_method("Destroy_Task")
    async def destroy(self, call: Call, args: Any, task: TaskRun) -> None:
        if any(self.folder(content).children() for content in _FOLDERS):
            raise vim.fault.ResourceInUse(
                type=vim.Datacenter, name=self.name, msg=f"Datacenter {self.name} is not empty."
            )
        for content in _FOLDERS:
            self.center.registry.remove(self.folder(content))
        self.center.registry.remove(self)

    def save(self) -> dict[str, Any]:
        return self.entity_state()

    @classmethod
    def load(cls, center: VCenter, moid: str, state: dict[str, Any]) -> Self:
        datacenter = cls(center, moid, state["name"], state["parent"])
        datacenter.restore_entity(state)
        return datacenter


def datacenter_of(entity: ManagedEntity) -> Datacenter:
    """The datacenter that ``entity`` stands in. Raises ``InvalidArgument`` if it is above all of them."""
    for each in (entity, *entity.ancestors()):
        if isinstance(each, Datacenter):
            return each
    raise faults.invalid_argument(None, f"{entity.name} is not in a datacenter.")


@on_build(10)
def build_datacenter(center: VCenter) -> None:
    """The default inventory's datacenter."""
    Datacenter.create(center, center.root_folder, center.config.inventory.datacenter)
