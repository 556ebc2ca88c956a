"""Where virtual devices sit: keys, buses, unit numbers, labels.

Numbers as vCenter gives them (vSphere API reference, VirtualDevice and its subclasses; the
IDE controllers' keys 200 and 201 are relied on by OpenStack's drivers).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from viaduct_lab.vcenter.core.types import vim

Device = Any
_d = vim.vm.device

PCI_KEY = 100
_PCI_FIRST_UNIT = 3
_NIC_FIRST_UNIT = 7


@dataclass(frozen=True)
class Slots:
    """Units of a controller: numbers 0 to ``count`` - 1 without ``reserved``."""

    count: int
    reserved: frozenset[int] = frozenset()


_SCSI = Slots(64, frozenset({7}))
_SLOTS: tuple[tuple[Any, Slots], ...] = (
    (_d.ParaVirtualSCSIController, _SCSI),
    (_d.VirtualSCSIController, Slots(16, frozenset({7}))),
    (_d.VirtualIDEController, Slots(2)),
    (_d.VirtualSATAController, Slots(30)),
    (_d.VirtualNVMEController, Slots(15)),
    (_d.VirtualSIOController, Slots(2)),
    (_d.VirtualPCIController, Slots(128)),
)
STORAGE_CONTROLLERS: tuple[Any, ...] = (
    _d.VirtualSCSIController,
    _d.VirtualSATAController,
    _d.VirtualNVMEController,
    _d.VirtualIDEController,
)

# (class, first key, label); the first match counts
_KINDS: tuple[tuple[Any, int, str], ...] = (
    (_d.VirtualIDEController, 200, "IDE "),
    (_d.VirtualSCSIController, 1000, "SCSI controller "),
    (_d.VirtualSATAController, 15000, "SATA controller "),
    (_d.VirtualNVMEController, 31000, "NVME controller "),
    (_d.VirtualPS2Controller, 300, "PS2 controller "),
    (_d.VirtualPCIController, PCI_KEY, "PCI controller "),
    (_d.VirtualSIOController, 400, "SIO controller "),
    (_d.VirtualUSBXHCIController, 14000, "USB xHCI controller "),
    (_d.VirtualUSBController, 7000, "USB controller "),
    (_d.VirtualDisk, 2000, "Hard disk "),
    (_d.VirtualCdrom, 3000, "CD/DVD drive "),
    (_d.VirtualFloppy, 8000, "Floppy drive "),
    (_d.VirtualEthernetCard, 4000, "Network adapter "),
    (_d.VirtualSerialPort, 9000, "Serial port "),
    (_d.VirtualParallelPort, 10000, "Parallel port "),
    (_d.VirtualTPM, 11000, "Virtual TPM "),
    (_d.VirtualVMCIDevice, 12000, "VMCI device"),
    (_d.VirtualPCIPassthrough, 13000, "PCI device "),
    (_d.VirtualVideoCard, 500, "Video card "),
    (_d.VirtualKeyboard, 600, "Keyboard "),
    (_d.VirtualPointingDevice, 700, "Pointing device"),
    (_d.VirtualDevice, 16000, "Device "),
)
# What exists once has no number; controllers count from 0, everything else from 1.
_UNNUMBERED = (
    _d.VirtualVMCIDevice,
    _d.VirtualVideoCard,
    _d.VirtualKeyboard,
    _d.VirtualPointingDevice,
    _d.VirtualTPM,
)


def _kind(device: Device) -> tuple[Any, int, str]:
    return next(kind for kind in _KINDS if isinstance(device, kind[0]))


def slots(controller: Device) -> Slots:
    """The units that a controller offers."""
    for cls, found in _SLOTS:
        if isinstance(controller, cls):
            return found
    return Slots(16)


def free_unit(controller: Device, devices: Iterable[Device]) -> int | None:
    """The lowest free unit number of a controller; None when all are taken."""
    offer = slots(controller)
    taken = {d.unitNumber for d in devices if d.controllerKey == controller.key}
    first = _NIC_FIRST_UNIT if controller.key == PCI_KEY else 0
    free = (n for n in range(first, offer.count) if n not in taken and n not in offer.reserved)
    return next(free, None)


def free_key(device: Device, devices: Iterable[Device]) -> int:
    """A key for a new device: its class's first one, or by its place on the bus for a disk."""
    devices = list(devices)
    taken = {d.key for d in devices}
    _, key, _ = _kind(device)
    if isinstance(device, _d.VirtualDisk):
        key = _disk_key(device, devices)
    while key in taken:
        key += 1
    return key


def _disk_key(disk: Device, devices: list[Device]) -> int:
    controller = next((d for d in devices if d.key == disk.controllerKey), None)
    unit = disk.unitNumber or 0
    if isinstance(controller, _d.VirtualIDEController):
        return 3000 + controller.busNumber * 2 + unit
    if isinstance(controller, _d.VirtualSATAController):
        return 16000 + controller.busNumber * 30 + unit
    if isinstance(controller, _d.VirtualNVMEController):
        return 32000 + controller.busNumber * 15 + unit
    return 2000 + (controller.busNumber * 16 if controller is not None else 0) + unit


def free_buses(controller: Device, devices: Iterable[Device]) -> list[int]:
    """The bus numbers (below 16) that no controller of the same kind has."""
    cls, _, _ = _kind(controller)
    taken = {d.busNumber for d in devices if isinstance(d, cls)}
    return [n for n in range(16) if n not in taken]


def label(device: Device, devices: Iterable[Device]) -> str:
    """The label of a new device, e.g. ``Hard disk 2``: the lowest number that is free."""
    cls, _, text = _kind(device)
    if isinstance(device, _UNNUMBERED):
        return text.strip()
    if isinstance(device, _d.VirtualController):
        return f"{text}{device.busNumber}"
    taken = set()
    for other in devices:
        name = other.deviceInfo.label if other.deviceInfo is not None else ""
        match = re.fullmatch(re.escape(text) + r"(\d+)", name)
        if match is not None and isinstance(other, cls):
            taken.add(int(match[1]))
    return text + str(next(n for n in range(1, len(taken) + 2) if n not in taken))


def default_devices() -> list[Device]:
    """The devices that every new virtual machine has before any is asked for."""
    made = [
        _d.VirtualIDEController(key=200, busNumber=0),
        _d.VirtualIDEController(key=201, busNumber=1),
        _d.VirtualPS2Controller(key=300, busNumber=0),
        _d.VirtualPCIController(key=PCI_KEY, busNumber=0),
        _d.VirtualSIOController(key=400, busNumber=0),
        _d.VirtualKeyboard(key=600, controllerKey=300, unitNumber=0),
        _d.VirtualPointingDevice(
            key=700,
            controllerKey=300,
            unitNumber=1,
            backing=_d.VirtualPointingDevice.DeviceBackingInfo(
                deviceName="", useAutoDetect=False, hostPointingDevice="autodetect"
            ),
        ),
        _d.VirtualVideoCard(
            key=500,
            controllerKey=PCI_KEY,
            unitNumber=0,
            videoRamSizeInKB=4096,
            numDisplays=1,
            useAutoDetect=False,
            enable3DSupport=False,
            use3dRenderer="automatic",
            graphicsMemorySizeInKB=262144,
        ),
        _d.VirtualVMCIDevice(
            key=12000,
            controllerKey=PCI_KEY,
            unitNumber=17,
            id=-1,
            allowUnrestrictedCommunication=False,
            filterEnable=True,
        ),
    ]
    for device in made:
        device.deviceInfo = vim.Description(label=label(device, made), summary=summary(device))
    link_controllers(made)
    return made


def summary(device: Device) -> str:
    """The one-line description shown under the label."""
    if isinstance(device, _d.VirtualDisk):
        return f"{device.capacityInKB or 0:,} KB"
    if isinstance(device, _d.VirtualEthernetCard):
        backing = device.backing
        if isinstance(backing, _d.VirtualEthernetCard.DistributedVirtualPortBackingInfo):
            return f"DVSwitch: {backing.port.switchUuid if backing.port is not None else ''}"
        return str(getattr(backing, "deviceName", "") or "")
    if isinstance(device, _d.VirtualCdrom):
        name = getattr(device.backing, "fileName", None)
        return f"ISO {name}" if name else "Remote device"
    if isinstance(device, _d.VirtualSCSIController):
        return {
            _d.ParaVirtualSCSIController: "VMware paravirtual SCSI",
            _d.VirtualLsiLogicSASController: "LSI Logic SAS",
            _d.VirtualBusLogicController: "BusLogic",
        }.get(type(device), "LSI Logic")
    if isinstance(device, _d.VirtualController):
        return f"{_kind(device)[2]}{device.busNumber}"
    return _kind(device)[2].strip()


def link_controllers(devices: list[Device]) -> None:
    """Fill each controller's list of the devices that sit on it."""
    for controller in devices:
        if isinstance(controller, _d.VirtualController):
            controller.device = [d.key for d in devices if d.controllerKey == controller.key]


def first_pci_unit(devices: Iterable[Device]) -> int:
    """The unit number of a new controller on the PCI bus."""
    taken = {d.unitNumber for d in devices if d.controllerKey == PCI_KEY}
    return next(n for n in range(_PCI_FIRST_UNIT, 256) if n not in taken)


def disks(devices: Iterable[Device]) -> list[Device]:
    """The virtual disks among ``devices``."""
    return [d for d in devices if isinstance(d, _d.VirtualDisk)]


def adapters(devices: Iterable[Device]) -> list[Device]:
    """The network adapters among ``devices``, in device order."""
    return [d for d in devices if isinstance(d, _d.VirtualEthernetCard)]
