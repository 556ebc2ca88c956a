"""How leases and OVF descriptors name the disks of a virtual machine."""

from __future__ import annotations

from collections.abc import Sequence

from viaduct_lab.vcenter.vm import layout
from viaduct_lab.vcenter.vm.layout import Device


def device_key(entity: str, devices: Sequence[Device], disk: Device) -> str:
    """``/entity/VirtualLsiLogicController0:1``: the disk's controller, its bus and the unit."""
    controller = next((d for d in devices if d.key == disk.controllerKey), None)
    if controller is None:
        return f"/{entity}/VirtualDisk:{disk.key}"
    return f"/{entity}/{type(controller)._wsdlName}{controller.busNumber}:{disk.unitNumber}"


def keyed_disks(entity: str, devices: Sequence[Device]) -> list[tuple[str, Device]]:
    """All disks with their keys."""
    return [(device_key(entity, devices, disk), disk) for disk in layout.disks(devices)]
