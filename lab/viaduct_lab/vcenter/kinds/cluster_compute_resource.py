"""ClusterComputeResource."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

from viaduct_lab.vcenter.core import codec, faults
from viaduct_lab.vcenter.core.cluster_rules import apply_cluster_spec, default_config
from viaduct_lab.vcenter.core.context import Call
from viaduct_lab.vcenter.core.kinds import kind, on_build
from viaduct_lab.vcenter.core.managed_entity import ManagedEntity
from viaduct_lab.vcenter.core.managed_object import refs, soap_method, task_method
from viaduct_lab.vcenter.core.types import Ref, vim
from viaduct_lab.vcenter.kinds.datacenter import Datacenter
from viaduct_lab.vcenter.kinds.environment_browser import EnvironmentBrowser
from viaduct_lab.vcenter.kinds.host_system import HostSystem
from viaduct_lab.vcenter.kinds.resource_pool import ResourcePool

if TYPE_CHECKING:
    from viaduct_lab.vcenter.core.center import VCenter
    from viaduct_lab.vcenter.core.tasks import TaskRun


@kind
class ClusterComputeResource(ManagedEntity):
    """A cluster: its hosts and its root resource pool are its children."""

    vim_type = vim.ClusterComputeResource
    moid_prefix = "domain-c"

    def __init__(self, center: VCenter, moid: str, name: str, parent: str | None, config: Any) -> None:
        super().__init__(center, moid, name, parent)
        self.cluster_config = config

    @classmethod
    def create(cls, center: VCenter, parent: ManagedEntity, name: str) -> Self:
        """A new cluster without hosts, with its root pool, in the registry."""
        moid = f"{cls.moid_prefix}{center.store.next_number()}"
        cluster = cls(center, moid, name, parent.moid, default_config())
        center.registry.add(cluster)
        ResourcePool.create(center, cluster, "Resources")
        cluster.restored()
        return cluster

    def restored(self) -> None:
        self.center.registry.restore(EnvironmentBrowser(self.center, self._browser, self.moid))

    @property
    def _browser(self) -> str:
        return f"envbrowser-{self.moid}"

    def hosts(self) -> list[HostSystem]:
        """The cluster's hosts."""
        return [child for child in self.children() if isinstance(child, HostSystem)]

    def root_pool(self) -> ResourcePool:
        """The root resource pool."""
        return next(child for child in self.children() if isinstance(child, ResourcePool))

    def child_changed(self) -> None:
        self.notify("host", "summary", "datastore", "network")

    def _of_hosts(self, relation: str) -> list[Ref]:
        found = {each.moid: each for host in self.hosts() for each in host.sources(relation)}
        return refs(found.values())

    # properties -----------------------------------------------------------------------------

    def prop_host(self) -> list[Ref]:
        return refs(self.hosts())

    def prop_resourcePool(self) -> Ref:
        return self.root_pool().ref

    def prop_datastore(self) -> list[Ref]:
        return self._of_hosts("datastore.host")

    def prop_network(self) -> list[Ref]:
        return self._of_hosts("network.host")

    def prop_environmentBrowser(self) -> Ref:
        return vim.EnvironmentBrowser(self._browser)

    def prop_summary(self) -> Any:
        hosts = self.hosts()
        usable = [host for host in hosts if host.usable]
        return vim.ClusterComputeResource.Summary(
            totalCpu=sum(h.state.hardware.total_mhz for h in hosts),
            totalMemory=sum(h.state.hardware.memory_bytes for h in hosts),
            numCpuCores=sum(h.state.hardware.cores for h in hosts),
            numCpuThreads=sum(h.state.hardware.threads for h in hosts),
            effectiveCpu=sum(h.state.hardware.total_mhz for h in usable),
            effectiveMemory=sum(h.state.hardware.memory_bytes >> 20 for h in usable),
            numHosts=len(hosts),
            numEffectiveHosts=len(usable),
            overallStatus="green",
            currentFailoverLevel=max(len(usable) - 1, 0),
            numVmotions=0,
            currentBalance=0,
            targetBalance=0,
            drsScore=100,
        )

    def prop_configurationEx(self) -> Any:
        return self.cluster_config

    def prop_configuration(self) -> Any:
        config = self.cluster_config
        return vim.cluster.ConfigInfo(
            dasConfig=config.dasConfig,
            dasVmConfig=config.dasVmConfig,
            drsConfig=config.drsConfig,
            drsVmConfig=config.drsVmConfig,
            rule=config.rule,
        )

    def prop_summaryEx(self) -> Any:
        return self.prop_summary()

    def prop_drsRecommendation(self) -> list[Any]:
        return []

    def prop_recommendation(self) -> list[Any]:
        return []

    def prop_migrationHistory(self) -> list[Any]:
        return []

    def prop_drsFault(self) -> list[Any]:
        return []

    def prop_actionHistory(self) -> list[Any]:
        return []

    # methods --------------------------------------------------------------------------------

    @task_method("ReconfigureComputeResource_Task", exclusive=True)
    async def reconfigure(self, call: Call, args: Any, task: TaskRun) -> None:
        self._apply(args.spec, modify=bool(args.modify))

    @task_method("ReconfigureCluster_Task", exclusive=True)
    async def reconfigure_cluster(self, call: Call, args: Any, task: TaskRun) -> None:
        self._apply(args.spec, modify=bool(args.modify))

    def _apply(self, spec: Any, *, modify: bool) -> None:
        config = codec.load(codec.dump(self.cluster_config))
        apply_cluster_spec(config, spec, modify=modify, next_key=self.center.store.next_number)
        self.cluster_config = config
        self.changed("configurationEx", "configuration")
        self.center.events.post(
            vim.event.ClusterReconfiguredEvent,
            self,
            f"Reconfigured cluster {self.name}",
            configChanges=vim.event.ChangesInfoEventArgument(modified="", added="", deleted=""),
        )

    @soap_method("RefreshRecommendation")
    def refresh_recommendation(self, call: Call, args: Any) -> None:
        """There are never recommendations: placement needs none in the lab."""

    @soap_method("FindRulesForVm")
    def find_rules(self, call: Call, args: Any) -> list[Any]:
        return [
            rule
            for rule in self.cluster_config.rule
            if any(vm._moId == args.vm._moId for vm in getattr(rule, "vm", ()))
        ]

    @task_method("Destroy_Task", exclusive=True)
    async def destroy(self, call: Call, args: Any, task: TaskRun) -> None:
        if self.hosts() or self.root_pool().pools():
            raise vim.fault.ResourceInUse(
                type=vim.ClusterComputeResource, name=self.name, msg="The cluster is not empty."
            )
        self.center.registry.remove(self.root_pool())
        self.center.registry.remove(self)

    def removed(self) -> None:
        browser = self.center.registry.get(self._browser)
        if browser is not None:
            self.center.registry.remove(browser)

    # persistence ----------------------------------------------------------------------------

    def save(self) -> dict[str, Any]:
        return {**self.entity_state(), "config": codec.dump(self.cluster_config)}

    @classmethod
    def load(cls, center: VCenter, moid: str, state: dict[str, Any]) -> Self:
        config = codec.load(state["config"])
        cluster = cls(center, moid, state["name"], state["parent"], config)
        cluster.restore_entity(state)
        return cluster


def cluster_of(entity: ManagedEntity) -> ClusterComputeResource:
    """The cluster of a host or resource pool. Raises ``InvalidArgument`` for anything else."""
    for each in (entity, *entity.ancestors()):
        if isinstance(each, ClusterComputeResource):
            return each
    raise faults.invalid_argument(None, f"{entity.name} is not in a cluster.")


@on_build(20)
def build_clusters(center: VCenter) -> None:
    """The default inventory's clusters with their hosts."""
    folder = center.registry.of_kind(Datacenter)[0].folder("host")
    for layout in center.config.inventory.clusters:
        cluster = ClusterComputeResource.create(center, folder, layout.name)
        for name in layout.hosts:
            HostSystem.create(center, cluster, name)
