"""The adapter itself: :class:`VCenterClient` implements ``VSphere`` and ``InstanceInventory``."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from pyVmomi import vim

from viaduct.errors import VCenterError
from viaduct.model.cloud import Node
from viaduct.model.inventory import InstanceVm, ManagedVm
from viaduct.model.observed import NodeVm, SiteFacts
from viaduct.model.site import Site, VCenter
from viaduct.vsphere import datastores, facts, instances, machines, nodes, places
from viaduct.vsphere.clone import Cloner
from viaduct.vsphere.collect import of, one
from viaduct.vsphere.faults import told_as
from viaduct.vsphere.session import Session

Report = Callable[[str], None]


class VCenterClient:
    """A logged-in vCenter. Usable from several threads; see :class:`viaduct.services.ports.VSphere`.

    Connecting raises VCenterUnreachable, VCenterUntrusted, VCenterLoginFailed or SiteFileError (ca_file).
    """

    def __init__(self, vcenter: VCenter) -> None:
        self._session = Session(vcenter)
        self._cloner = Cloner(self._session)

    def facts(self, site: Site) -> SiteFacts:
        with told_as("list its inventory"):
            return facts.site_facts(self._session, site.datacenter)

    def nodes(self, cloud: str) -> tuple[NodeVm, ...]:
        with told_as(f"list the nodes of cloud {cloud}"):
            return nodes.nodes_of(self._session, cloud)

    def folder_exists(self, site: Site, path: str) -> bool:
        with told_as(f"look for folder {path}"):
            home = places.datacenter(self._session, site)
            return places.folder(self._session, home, path) is not None

    def ensure_folder(self, site: Site, path: str) -> None:
        with told_as(f"make folder {path}"):
            places.ensure_folder(self._session, places.datacenter(self._session, site), path)

    def clone_node(
        self, site: Site, cloud: str, node: Node, guestinfo: Mapping[str, str], report: Report
    ) -> NodeVm:
        with told_as(f"clone VM {cloud}-{node.name}"):
            return self._cloner.clone(site, cloud, node, guestinfo, report)

    def adapter_macs(self, vm: NodeVm) -> tuple[str, ...]:
        with told_as(f"read the adapters of VM {vm.name}"):
            return machines.adapter_macs(self._session, vm)

    def set_guestinfo(self, vm: NodeVm, guestinfo: Mapping[str, str]) -> None:
        with told_as(f"hand VM {vm.name} its guest variables"):
            machines.set_guestinfo(self._session, vm, guestinfo)

    def power_on(self, vm: NodeVm) -> None:
        with told_as(f"power on VM {vm.name}"):
            machines.power_on(self._session, vm)

    def shut_down(self, vm: NodeVm, timeout: float) -> None:
        with told_as(f"shut down VM {vm.name}"):
            machines.shut_down(self._session, vm, timeout)

    def delete(self, vm: NodeVm) -> None:
        with told_as(f"delete VM {vm.name}"):
            machines.delete(self._session, vm)

    def delete_folder(self, site: Site, path: str) -> None:
        """Half-made clones of ours are removed with it; anything else in it is left and reported."""
        with told_as(f"delete folder {path}"):
            home = places.datacenter(self._session, site)
            folder = places.folder(self._session, home, path)
            if folder is None:
                return
            machines.remove_half_made(self._session, folder)
            self._refuse_if_occupied(folder, path)
            machines.destroy_folder(self._session, folder, path)

    def wait_for_host_key(self, vm: NodeVm, timeout: float) -> NodeVm | None:
        with told_as(f"watch VM {vm.name}"):
            return machines.wait_for_host_key(self._session, vm, timeout)

    def console_log(self, site: Site, vm: NodeVm) -> str:
        with told_as(f"hand out the console log of VM {vm.name}"):
            return datastores.console_log(self._session, site, vm)

    def certificate_authority(self) -> str:
        return self._session.trusted.authority_pem

    def instance(self, uuid: str) -> InstanceVm | None:
        with told_as(f"find the VM of instance {uuid}"):
            return instances.instance(self._session, uuid)

    def managed_vms(self) -> tuple[ManagedVm, ...]:
        with told_as("list the VMs that OpenStack made"):
            return instances.managed_vms(self._session)

    def port_group_vlans(self, site: Site) -> Mapping[str, int | None]:
        with told_as("list its port groups"):
            return instances.port_group_vlans(self._session, site)

    def entries(self, site: Site, datastore: str, directory: str, patterns: Sequence[str]) -> tuple[str, ...]:
        with told_as(f"list [{datastore}] {directory}"):
            return tuple(instances.entries(self._session, site, datastore, directory, patterns))

    def delete_directory(self, site: Site, path: str) -> None:
        with told_as(f"delete {path}"):
            instances.delete_directory(self._session, site, path)

    def close(self) -> None:
        self._session.close()

    def _refuse_if_occupied(self, folder: object, path: str) -> None:
        row = one(self._session, folder, ("childEntity",))
        children = (row.get("childEntity") if row is not None else None) or ()
        if not children:
            return
        names = sorted(r.name for r in of(self._session, children, vim.ManagedEntity, ("name",)))
        raise VCenterError(
            f"Folder {path} is not removed: it still holds {', '.join(names)}.",
            "Viaduct did not make these. Move or delete them in vCenter, then run the same command again.",
        )
