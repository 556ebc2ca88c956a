"""EnvironmentBrowser: what VMs a compute resource can run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from viaduct_lab.vcenter.core.context import Call
from viaduct_lab.vcenter.core.kinds import kind
from viaduct_lab.vcenter.core.managed_object import ManagedObject, soap_method
from viaduct_lab.vcenter.core.types import Ref, vim
from viaduct_lab.vcenter.hosts.vm_options import VERSIONS, config_option, option_descriptors

if TYPE_CHECKING:
    from viaduct_lab.vcenter.core.center import VCenter
    from viaduct_lab.vcenter.kinds.cluster_compute_resource import ClusterComputeResource


@kind
class EnvironmentBrowser(ManagedObject):
    """The environment of one compute resource."""

    vim_type = vim.EnvironmentBrowser

    def __init__(self, center: VCenter, moid: str, owner_moid: str) -> None:
        super().__init__(center, moid)
        self.owner_moid = owner_moid

    @property
    def owner(self) -> ClusterComputeResource:
        """The compute resource."""
        from viaduct_lab.vcenter.kinds.cluster_compute_resource import ClusterComputeResource

        return self.center.registry.find(vim.ClusterComputeResource(self.owner_moid), ClusterComputeResource)

    def prop_datastoreBrowser(self) -> Ref | None:
        return None

    @soap_method("QueryConfigOptionDescriptor")
    def query_descriptor(self, call: Call, args: Any) -> list[Any]:
        return option_descriptors(host.ref for host in self.owner.hosts())

    @soap_method("QueryConfigOption")
    def query_option(self, call: Call, args: Any) -> Any:
        return config_option(args.key or VERSIONS[-1])

    @soap_method("QueryConfigOptionEx")
    def query_option_ex(self, call: Call, args: Any) -> Any:
        key = args.spec.key if args.spec is not None else None
        option = config_option(key or VERSIONS[-1])
        if args.spec is not None and args.spec.guestId:
            wanted = set(args.spec.guestId)
            guests = [g for g in option.guestOSDescriptor if g.id in wanted]
            option.guestOSDescriptor = guests or option.guestOSDescriptor
        return option

    @soap_method("QueryConfigTarget")
    def query_target(self, call: Call, args: Any) -> Any:
        hosts = self.owner.hosts()
        return vim.vm.ConfigTarget(
            numCpus=sum(h.state.hardware.threads for h in hosts),
            numCpuCores=sum(h.state.hardware.cores for h in hosts),
            numNumaNodes=max((h.state.hardware.packages for h in hosts), default=0),
            maxCpusPerHost=max((h.state.hardware.threads for h in hosts), default=0),
            smcPresent=False,
            maxMemMBOptimalPerf=max((h.state.hardware.memory_bytes >> 20 for h in hosts), default=0),
            supportedMaxMemMB=max((h.state.hardware.memory_bytes >> 20 for h in hosts), default=0),
        )
