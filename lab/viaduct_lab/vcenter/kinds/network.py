"""Network: a standard port group, as hosts offer it; also the base of distributed port groups."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

from viaduct_lab.vcenter.core import faults
from viaduct_lab.vcenter.core.kinds import kind
from viaduct_lab.vcenter.core.managed_entity import ManagedEntity
from viaduct_lab.vcenter.core.managed_object import refs, soap_method
from viaduct_lab.vcenter.core.types import Ref, vim

if TYPE_CHECKING:
    from viaduct_lab.vcenter.core.center import VCenter
    from viaduct_lab.vcenter.core.context import Call


@kind
class Network(ManagedEntity):
    """A network; ``hosts`` are the moids of the hosts that offer it."""

    vim_type = vim.Network
    moid_prefix = "network"

    def __init__(self, center: VCenter, moid: str, name: str, parent: str | None) -> None:
        super().__init__(center, moid, name, parent)
        self.hosts: tuple[str, ...] = ()

    def offer(self, hosts: tuple[str, ...]) -> None:
        """Make ``hosts`` (moids) the ones that offer it."""
        self.hosts = hosts
        self.center.relations.assign(self.moid, "network.host", hosts)
        self.changed("host")

    def prop_summary(self) -> Any:
        return vim.Network.Summary(network=self.ref, name=self.prop_name(), accessible=True, ipPoolName="")

    def prop_host(self) -> list[Ref]:
        found = (self.center.registry.get(moid) for moid in self.hosts)
        return [host.ref for host in found if host is not None]

    def prop_vm(self) -> list[Ref]:
        return refs(self.sources("vm.network"))

    def related(self, relation: str) -> None:
        if relation == "vm.network":
            self.notify("vm")

    def require_unused(self) -> None:
        """Raise ``ResourceInUse`` while machines are connected."""
        users = [vm.name for vm in self.sources("vm.network") if isinstance(vm, ManagedEntity)]
        if users:
            raise vim.fault.ResourceInUse(
                type=type(self).vim_type,
                name=self.name,
                msg=f"The resource '{self.name}' is in use by: {', '.join(users[:5])}.",
            )

    @soap_method("DestroyNetwork")
    def destroy_network(self, call: Call, args: Any) -> None:
        """Remove the network."""
        self.require_unused()
        self.center.registry.remove(self)

    def save(self) -> dict[str, Any]:
        return {**self.entity_state(), "hosts": list(self.hosts)}

    @classmethod
    def load(cls, center: VCenter, moid: str, state: dict[str, Any]) -> Self:
        network = cls(center, moid, state["name"], state["parent"])
        network.restore_entity(state)
        network.hosts = tuple(state["hosts"])
        return network

    def restored(self) -> None:
        self.center.relations.assign(self.moid, "network.host", self.hosts)


def checked_name(center: VCenter, entity: Network | None, name: str, folder: ManagedEntity) -> str:
    """A name for a network, unique in its datacenter. Raises ``InvalidName`` or ``DuplicateName``."""
    plain = center.naming.checked(entity, name, parent=folder)
    top = folder
    for above in folder.ancestors():
        if issubclass(above.vim_type, vim.Datacenter):
            break
        top = above
    for other in top.descendants():
        if isinstance(other, Network) and other is not entity and other.name == plain:
            raise faults.duplicate_name(name, other.ref)
    return plain
