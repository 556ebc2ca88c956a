"""ResourcePool."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

from viaduct_lab.vcenter.core import codec, faults
from viaduct_lab.vcenter.core.context import Call
from viaduct_lab.vcenter.core.kinds import kind
from viaduct_lab.vcenter.core.managed_entity import ManagedEntity
from viaduct_lab.vcenter.core.managed_object import refs, soap_method, task_method
from viaduct_lab.vcenter.core.types import Ref, vim

if TYPE_CHECKING:
    from viaduct_lab.vcenter.core.center import VCenter
    from viaduct_lab.vcenter.core.tasks import TaskRun


@kind
class ResourcePool(ManagedEntity):
    """A resource pool; a cluster's root pool is its child named ``Resources``."""

    vim_type = vim.ResourcePool
    moid_prefix = "resgroup"

    def __init__(self, center: VCenter, moid: str, name: str, parent: str | None, spec: Any) -> None:
        super().__init__(center, moid, name, parent)
        self.spec = spec

    @classmethod
    def create(cls, center: VCenter, parent: ManagedEntity, name: str, spec: Any = None) -> Self:
        """A new pool under a compute resource or a pool, in the registry."""
        moid = center.registry.new_moid(cls.moid_prefix)
        pool = cls(center, moid, name, parent.moid, spec if spec is not None else default_spec())
        pool.spec.entity = pool.ref
        center.registry.add(pool)
        return pool

    @property
    def is_root(self) -> bool:
        """Whether it is the root pool of a compute resource."""
        return not isinstance(self.parent, ResourcePool)

    @property
    def owner(self) -> ManagedEntity:
        """The compute resource that the pool belongs to."""
        for above in self.ancestors():
            if not isinstance(above, ResourcePool):
                return above
        raise faults.not_found(self.ref)

    def pools(self) -> list[ResourcePool]:
        """The pools directly below."""
        return [child for child in self.children() if isinstance(child, ResourcePool)]

    def child_changed(self) -> None:
        self.notify("resourcePool")

    def related(self, relation: str) -> None:
        if relation == "vm.resourcePool":
            self.notify("vm")

    def prop_owner(self) -> Ref:
        return self.owner.ref

    def prop_resourcePool(self) -> list[Ref]:
        return refs(self.pools())

    def prop_vm(self) -> list[Ref]:
        return refs(self.sources("vm.resourcePool"))

    def prop_config(self) -> Any:
        return self.spec

    def prop_childConfiguration(self) -> list[Any]:
        return [pool.spec for pool in self.pools()]

    def prop_runtime(self) -> Any:
        cpu = vim.ResourcePool.ResourceUsage(
            reservationUsed=0,
            reservationUsedForVm=0,
            unreservedForPool=0,
            unreservedForVm=0,
            overallUsage=0,
            maxUsage=0,
        )
        return vim.ResourcePool.RuntimeInfo(memory=cpu, cpu=cpu, overallStatus="green")

    def prop_summary(self) -> Any:
        return vim.ResourcePool.Summary(
            name=self.prop_name(),
            config=self.spec,
            runtime=self.prop_runtime(),
            configuredMemoryMB=0,
        )

    # methods --------------------------------------------------------------------------------

    @soap_method("CreateResourcePool")
    def create_pool(self, call: Call, args: Any) -> Ref:
        name = self.center.naming.checked(None, args.name, parent=self)
        made = ResourcePool.create(self.center, self, name, args.spec)
        self.changed("childConfiguration")
        self.center.events.post(
            vim.event.ResourcePoolCreatedEvent,
            made,
            f"Created resource pool {name}",
            parent=vim.event.ResourcePoolEventArgument(name=self.name, resourcePool=self.ref),
        )
        return made.ref

    @soap_method("UpdateConfig")
    def update_config(self, call: Call, args: Any) -> None:
        if args.name is not None and args.name != self.prop_name():
            if self.is_root:
                raise faults.not_supported("A root resource pool cannot be renamed.")
            self.rename(args.name)
        if args.config is not None:
            self.spec = args.config
            self.spec.entity = self.ref
        self.changed("config", "summary")
        if self.parent is not None:
            self.parent.notify("childConfiguration")

    @soap_method("DestroyChildren")
    def destroy_children(self, call: Call, args: Any) -> None:
        for pool in self.pools():
            pool.dissolve()

    @task_method("Destroy_Task")
    async def destroy(self, call: Call, args: Any, task: TaskRun) -> None:
        if self.is_root:
            raise faults.not_supported("A root resource pool cannot be destroyed.")
        self.dissolve()

    def dissolve(self) -> None:
        """Remove the pool; what it holds moves to its parent, as vCenter does it."""
        parent = self.parent
        assert parent is not None
        for pool in self.pools():
            pool.move_to(parent)
        for vm in self.sources("vm.resourcePool"):
            self.center.relations.assign(vm.moid, "vm.resourcePool", [parent.moid])
            vm.changed("resourcePool")
        self.center.registry.remove(self)

    # persistence ----------------------------------------------------------------------------

    def save(self) -> dict[str, Any]:
        return {**self.entity_state(), "spec": codec.dump(self.spec)}

    @classmethod
    def load(cls, center: VCenter, moid: str, state: dict[str, Any]) -> Self:
        pool = cls(center, moid, state["name"], state["parent"], codec.load(state["spec"]))
        pool.restore_entity(state)
        return pool


def default_spec() -> Any:
    """A configuration without reservations and limits."""

    def allocation() -> Any:
        return vim.ResourceAllocationInfo(
            reservation=0,
            expandableReservation=True,
            limit=-1,
            shares=vim.SharesInfo(shares=4000, level="normal"),
        )

    return vim.ResourceConfigSpec(cpuAllocation=allocation(), memoryAllocation=allocation())
