"""Upstream's operations on virtual machines with our corrections in their places."""

from __future__ import annotations

from typing import Any

import nova.conf
from nova.virt.vmwareapi import vim_util, vm_util, vmops
from oslo_log import log as logging
from oslo_vmware import vim_util as vmware_util

from viaduct_drivers.nova import config_drive, ownership, resize, snapshot, soft_stop

LOG = logging.getLogger(__name__)
CONF = nova.conf.CONF


class ViaductVMOps(vmops.VMwareVMOps):
    """See the modules named in each method for what is corrected and why."""

    def list_instances(self) -> list[str]:
        """The UUIDs of this cloud's instances in the cluster (`ownership`)."""
        found = self._session._call_method(
            vim_util, "get_inner_objects", self._root_resource_pool, "vm", "VirtualMachine", ownership.PATHS
        )
        with vmware_util.WithRetrieval(self._session.vim, found) as objects:
            return ownership.own_instances(objects, CONF.viaduct_vsphere.cloud)

    def _clean_shutdown(self, instance: Any, timeout: float, retry_interval: float) -> bool:
        upstream = super()._clean_shutdown
        return soft_stop.attempt(lambda interval: upstream(instance, timeout, interval), retry_interval)

    def _create_linked_clone_from_snapshot(
        self, instance: Any, vm_ref: Any, snapshot_ref: Any, dc_info: Any
    ) -> Any:
        return snapshot.clone_for_export(self._session, vm_ref, snapshot_ref, dc_info)

    def _create_config_drive(
        self, context: Any, instance: Any, injected_files: Any, password: Any, network_info: Any, *where: Any
    ) -> Any:
        network_info = config_drive.with_addresses(network_info)
        return super()._create_config_drive(context, instance, injected_files, password, network_info, *where)

    def _remove_ephemerals_and_swap(self, vm_ref: Any) -> None:
        disks = resize.flavor_disks(vm_util.get_hardware_devices(self._session, vm_ref))
        if disks:
            vm_util.detach_devices_from_vm(self._session, vm_ref, disks)

    def resize_without_root_disk(self, context: Any, instance: Any, flavor: Any) -> None:
        """Resize a server that boots from a volume: all but its first disk, which is Cinder's (`resize`)."""
        vm_ref = vm_util.get_vm_ref(self._session, instance)
        vm_util.power_off_instance(self._session, instance, vm_ref)
        self._resize_vm(context, instance, vm_ref, flavor, instance.image_meta)
        self._remove_ephemerals_and_swap(vm_ref)
