"""Volumes: attach in one step, and grow while attached.

Upstream: nova/virt/vmwareapi/volumeops.py, `_attach_volume_vmdk`, attaches the disk in one reconfiguration
and writes down which disk is which volume in a second one. If the second fails, the volume is attached and
cannot be detached. Growing an attached volume is missing: driver capability `supports_extend_volume`.
"""

from __future__ import annotations

from typing import Any

from nova import exception
from nova.compute import power_state
from nova.virt.vmwareapi import constants, vm_util, volumeops
from oslo_log import log as logging
from oslo_utils import units

LOG = logging.getLogger(__name__)


class ViaductVolumeOps(volumeops.VMwareVolumeOps):
    """Upstream's volume operations with a one-step attach, and an extend."""

    def _attach_volume_vmdk(
        self, connection_info: dict[str, Any], instance: Any, adapter_type: str | None = None
    ) -> None:
        data = connection_info["data"]
        session = self._session
        factory = session.vim.client.factory
        vm_ref = vm_util.get_vm_ref(session, instance)
        volume = vm_util.get_vmdk_info(session, self._get_volume_ref(data))
        adapter = adapter_type or volume.adapter_type
        self._refuse_hotplug_on_ide(instance, adapter)

        devices = vm_util.get_hardware_devices(session, vm_ref)
        controller, unit, new_controller = vm_util.allocate_controller_key_and_unit_number(
            factory, devices, adapter
        )
        spec = vm_util.get_vmdk_attach_config_spec(
            factory, volume.disk_type, volume.path, controller_key=controller, unit_number=unit
        )
        if new_controller:
            spec.deviceChange.append(new_controller)
        which = {f"volume-{data['volume_id']}": volume.device.backing.uuid}
        spec.extraConfig = vm_util.get_vm_extra_config_spec(factory, which).extraConfig
        vm_util.reconfigure_vm(session, vm_ref, spec)

    def extend_volume(self, connection_info: dict[str, Any], instance: Any, requested_size: int) -> None:
        """See that an attached volume has `requested_size` bytes.

        Our Cinder driver has grown it before it tells Nova; then there is nothing to do.
        """
        if connection_info["driver_volume_type"] != constants.DISK_FORMAT_VMDK:
            raise exception.ExtendVolumeNotSupported()
        session = self._session
        vm_ref = vm_util.get_vm_ref(session, instance)
        disk = self._get_vmdk_backed_disk_device(vm_ref, connection_info["data"])
        if vm_util._get_device_capacity(disk) >= requested_size:
            return
        disk.capacityInKB = requested_size // units.Ki
        if hasattr(disk, "capacityInBytes"):
            disk.capacityInBytes = requested_size
        factory = session.vim.client.factory
        change = factory.create("ns0:VirtualDeviceConfigSpec")
        change.operation = "edit"
        change.device = disk
        spec = factory.create("ns0:VirtualMachineConfigSpec")
        spec.deviceChange = [change]
        vm_util.reconfigure_vm(session, vm_ref, spec)
        LOG.info(
            "grew volume %s to %d bytes",
            connection_info["data"]["volume_id"],
            requested_size,
            instance=instance,
        )

    def _refuse_hotplug_on_ide(self, instance: Any, adapter: str | None) -> None:
        running = adapter == constants.ADAPTER_TYPE_IDE and (
            vm_util.get_vm_state(self._session, instance) != power_state.SHUTDOWN
        )
        if running:
            raise exception.Invalid(f"{adapter} does not support disk hotplug.")
