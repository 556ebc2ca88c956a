"""OvfManager: what an OVF descriptor would become as a virtual machine."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from viaduct_lab.storage.paths import DatastorePath
from viaduct_lab.vcenter.core.kinds import kind
from viaduct_lab.vcenter.core.managed_object import ManagedObject, soap_method
from viaduct_lab.vcenter.core.types import Ref, vim
from viaduct_lab.vcenter.kinds.datastore import Datastore
from viaduct_lab.vcenter.kinds.dvs_portgroup import DistributedVirtualPortgroup
from viaduct_lab.vcenter.kinds.network import Network
from viaduct_lab.vcenter.kinds.resource_pool import ResourcePool
from viaduct_lab.vcenter.vm import layout, ovf, ovf_spec
from viaduct_lab.vcenter.vm.disk_keys import keyed_disks
from viaduct_lab.vcenter.vm.edits import EditContext, apply_changes

if TYPE_CHECKING:
    from viaduct_lab.vcenter.core.context import Call

_DISK_CIM_TYPE = 17


@dataclass(frozen=True)
class Target:
    """A network that an adapter may be connected to; ``port`` if it is a distributed port group."""

    ref: Ref
    name: str
    port: Any


@kind
class OvfManager(ManagedObject):
    """``ovfManager``: single machines only, no vApps, no deployment options."""

    vim_type = vim.OvfManager

    @soap_method("ParseDescriptor")
    def parse_descriptor(self, call: Call, args: Any) -> Any:
        """What a descriptor offers, before it is decided where it goes."""
        empty = {"annotation": "", "defaultEntityName": "", "virtualApp": False}
        try:
            found = ovf.parse(args.ovfDescriptor)
        except ovf.OvfError as error:
            return vim.OvfManager.ParseDescriptorResult(
                **empty, defaultDeploymentOption="", error=[_fault(error)]
            )
        disks = found.disks.values()
        return vim.OvfManager.ParseDescriptorResult(
            **{**empty, "annotation": found.annotation, "defaultEntityName": found.name},
            defaultDeploymentOption="",
            network=[vim.OvfManager.NetworkInfo(name=n, description=n) for n in found.networks],
            approximateDownloadSize=sum(disk.size or 0 for disk in disks),
            approximateFlatDeploymentSize=sum(disk.capacity for disk in disks),
            productInfo=vim.vApp.ProductInfo(key=0, name=found.product, version=found.version),
        )

    @soap_method("CreateImportSpec")
    def create_import_spec(self, call: Call, args: Any) -> Any:
        """The import specification, and which file belongs to which disk."""
        registry, wanted = self.center.registry, args.cisp
        registry.find(args.resourcePool, ResourcePool)
        store = registry.find(args.datastore, Datastore)
        try:
            found = ovf.parse(args.ovfDescriptor)
            name = wanted.entityName or found.name
            thin = wanted.diskProvisioning in (None, "", "thin", "monolithicSparse")
            networks = self._networks(found, wanted.networkMapping)
            spec = ovf_spec.config_spec(found, name, store.name, networks, thin=thin)
        except ovf.OvfError as error:
            return vim.OvfManager.CreateImportSpecResult(error=[_fault(error)])
        values = {pair.key: pair.value for pair in wanted.propertyMapping}
        for prop in spec.vAppConfig.property if spec.vAppConfig is not None else ():
            prop.info.value = values.get(prop.info.id, prop.info.value)
        return vim.OvfManager.CreateImportSpecResult(
            importSpec=vim.vm.VmImportSpec(configSpec=spec), fileItem=_file_items(found, name, spec)
        )

    def _networks(self, found: ovf.Descriptor, mapping: list[Any]) -> dict[str, Target]:
        registry = self.center.registry
        chosen = {pair.name: registry.find(pair.network, Network) for pair in mapping}
        for name in found.networks:
            same = (n for n in registry.of_kind(Network) if n.name == name)
            chosen.setdefault(name, next(same, _first(registry.of_kind(Network))))
        return {name: _target(network) for name, network in chosen.items()}


def _first(networks: list[Network]) -> Network:
    """The network that is taken when nothing is said: the first that is no uplink."""
    for network in networks:
        if not (isinstance(network, DistributedVirtualPortgroup) and network.is_uplink):
            return network
    raise ovf.OvfError("There is no network to connect adapters to.")


def _target(network: Network) -> Target:
    port = None
    if isinstance(network, DistributedVirtualPortgroup):
        port = vim.dvs.PortConnection(switchUuid=network.switch.uuid, portgroupKey=network.moid)
    return Target(network.ref, network.name, port)


def _file_items(found: ovf.Descriptor, name: str, spec: Any) -> list[Any]:
    """A file for each disk that has one; ``deviceId`` is the lease's ``importKey`` later on."""
    context = EditContext(DatastorePath("x", name), name)
    devices = apply_changes(layout.default_devices(), spec.deviceChange, context).devices
    described = [
        found.disks[item.host_resource.rpartition("/")[2]]
        for item in found.items
        if item.kind == _DISK_CIM_TYPE
    ]
    return [
        vim.OvfManager.FileItem(
            deviceId=key, path=disk.file, size=disk.size, cimType=_DISK_CIM_TYPE, create=False
        )
        for (key, _), disk in zip(keyed_disks(name, devices), described, strict=True)
        if disk.file is not None
    ]


def _fault(error: ovf.OvfError) -> Exception:
    fault: Exception = vim.fault.OvfInvalidPackage(lineNumber=0, msg=str(error))
    return fault
