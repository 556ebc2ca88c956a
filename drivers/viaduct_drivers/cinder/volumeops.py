"""Upstream's volume operations, corrected: controllers are found, attached disks grow, clones of servers are anonymous.

Upstream: cinder/volume/drivers/vmware/volumeops.py. `_get_controller` walks over the members of the array
object instead of over the devices in it, so it never finds a controller, and attaching a disk to a backing
that has one adds a second with the same bus number. `clone_backing` copies an attached disk by cloning the server's
whole virtual machine: the clone (a snapshot's template lives on) keeps `nvp.vm-uuid`, by which Nova finds a server
when its own virtual machine has gone, so that Nova would change or destroy the snapshot in its place; and it keeps
the server's network adapters, which hold the tenant's port group in use.
"""

from __future__ import annotations

from typing import Any

from cinder.volume.drivers.vmware import exceptions as vmdk_exceptions
from cinder.volume.drivers.vmware import volumeops
from oslo_utils import units
from oslo_vmware import vim_util

# What makes a virtual machine a server of Nova's; an empty value removes the key from a clone.
_NO_SERVER = {"nvp.vm-uuid": "", "viaduct.instance.cloud": ""}


class ViaductVolumeOps(volumeops.VMwareVolumeOps):
    """See the module."""

    def clone_backing(self, *args: Any, **options: Any) -> Any:
        """Clone as upstream; a clone of a server (`disks_to_clone`) does not pass for that server."""
        if options.get("disks_to_clone"):
            options["extra_config"] = {**(options.get("extra_config") or {}), **_NO_SERVER}
        return super().clone_backing(*args, **options)

    def _create_device_change_for_disk_removal(self, backing: Any, disks_to_clone: list[str]) -> Any:
        """All that a clone of a server leaves behind: its other disks, and its network adapters."""
        changes = list(super()._create_device_change_for_disk_removal(backing, disks_to_clone))
        factory = self._session.vim.client.factory
        for device in self._devices(backing):
            if hasattr(device, "macAddress"):
                change = factory.create("ns0:VirtualDeviceConfigSpec")
                change.operation = "remove"
                change.device = device
                changes.append(change)
        return changes

    def _get_controller(self, backing: Any, adapter_type: str) -> Any:
        kind = volumeops.ControllerType.get_controller_type(adapter_type)
        return next((device for device in self._devices(backing) if type(device).__name__ == kind), None)

    def grow_attached_disk(self, vm_ref: Any, disk_uuid: str, size_gb: int) -> None:
        """Give a disk of a virtual machine, running or not, a new capacity in GiB."""
        disk = next((device for device in self._devices(vm_ref) if _disk_uuid(device) == disk_uuid), None)
        if disk is None:
            raise vmdk_exceptions.VirtualDiskNotFoundException()
        disk.capacityInKB = size_gb * units.Mi
        if hasattr(disk, "capacityInBytes"):
            disk.capacityInBytes = size_gb * units.Gi
        factory = self._session.vim.client.factory
        change = factory.create("ns0:VirtualDeviceConfigSpec")
        change.operation = "edit"
        change.device = disk
        spec = factory.create("ns0:VirtualMachineConfigSpec")
        spec.deviceChange = [change]
        self._reconfigure_backing(vm_ref, spec)

    def _devices(self, vm_ref: Any) -> Any:
        devices = self._session.invoke_api(
            vim_util, "get_object_property", self._session.vim, vm_ref, "config.hardware.device"
        )
        return getattr(devices, "VirtualDevice", devices)


def _disk_uuid(device: Any) -> str | None:
    if type(device).__name__ != "VirtualDisk":
        return None
    return getattr(device.backing, "uuid", None)
