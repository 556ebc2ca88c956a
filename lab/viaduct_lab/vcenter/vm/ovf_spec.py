"""From an OVF descriptor to the ConfigSpec of the virtual machine that it describes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from viaduct_lab.vcenter.core.types import Ref, vim
from viaduct_lab.vcenter.vm.ovf import Descriptor, Item, OvfError

_d = vim.vm.device
_MEMORY_UNITS = {"byte * 2^30": 1024, "byte * 2^20": 1, "gigabytes": 1024, "megabytes": 1, "": 1}
_SCSI = {
    "virtualscsi": _d.ParaVirtualSCSIController,
    "lsilogicsas": _d.VirtualLsiLogicSASController,
    "buslogic": _d.VirtualBusLogicController,
}
_NICS = {"vmxnet3": _d.VirtualVmxnet3, "e1000": _d.VirtualE1000, "e1000e": _d.VirtualE1000e}
_CPU, _MEMORY, _IDE, _SCSI_BUS, _NIC, _CD, _DISK, _OTHER_STORAGE = 3, 4, 5, 6, 10, 15, 17, 20
_FLAT = _d.VirtualDisk.FlatVer2BackingInfo


def config_spec(
    ovf: Descriptor, name: str, datastore: str, networks: Mapping[str, Ref], *, thin: bool
) -> Any:
    """The ConfigSpec. ``networks``: the descriptor's network name -> network. Raises :class:`OvfError`."""
    spec = vim.vm.ConfigSpec(
        name=name,
        files=vim.vm.FileInfo(vmPathName=f"[{datastore}]"),
        guestId=ovf.guest_id or "otherGuest64",
        annotation=ovf.annotation or None,
        version=ovf.hardware_version if ovf.hardware_version.startswith("vmx-") else None,
        firmware=ovf.config.get("firmware") or None,
    )
    for item in ovf.items:
        if item.kind == _CPU:
            spec.numCPUs = item.quantity
        elif item.kind == _MEMORY:
            spec.memoryMB = item.quantity * _MEMORY_UNITS.get(item.units, 1)
    spec.deviceChange = _devices(ovf, networks, thin)
    spec.vAppConfig = _vapp(ovf)
    return spec


def _devices(ovf: Descriptor, networks: Mapping[str, Ref], thin: bool) -> list[Any]:
    keys: dict[str, int] = {}
    changes: list[Any] = []
    for number, item in enumerate(ovf.items):
        controller = _controller(item, -100 - number, len(changes))
        if controller is not None:
            keys[item.ident] = controller.key
            changes.append(_d.VirtualDeviceSpec(operation="add", device=controller))
        elif item.kind == _IDE:
            ide = sum(1 for key in keys.values() if key in (200, 201))
            keys[item.ident] = 200 + min(ide, 1)
    for number, item in enumerate(ovf.items):
        change = _device(ovf, item, -200 - number, keys, networks, thin)
        if change is not None:
            changes.append(change)
    return changes


def _controller(item: Item, key: int, bus: int) -> Any:
    if item.kind == _SCSI_BUS:
        cls = _SCSI.get(item.subtype, _d.VirtualLsiLogicController)
        return cls(key=key, busNumber=bus, sharedBus="noSharing")
    if item.kind == _OTHER_STORAGE and "ahci" in item.subtype:
        return _d.VirtualAHCIController(key=key, busNumber=bus)
    if item.kind == _OTHER_STORAGE and "nvme" in item.subtype:
        return _d.VirtualNVMEController(key=key, busNumber=bus)
    return None


def _device(
    ovf: Descriptor,
    item: Item,
    key: int,
    keys: Mapping[str, int],
    networks: Mapping[str, Ref],
    thin: bool,
) -> Any:
    parent = keys.get(item.parent or "")
    if item.kind == _DISK:
        disk = ovf.disks.get(item.host_resource.rpartition("/")[2])
        if disk is None:
            raise OvfError(f"{item.name} refers to the disk {item.host_resource!r}, which is not there.")
        device = _d.VirtualDisk(
            key=key,
            controllerKey=parent,
            unitNumber=item.slot,
            capacityInKB=-(-disk.capacity // 1024),
            backing=_FLAT(fileName="", diskMode="persistent", thinProvisioned=thin),
        )
        return _d.VirtualDeviceSpec(operation="add", fileOperation="create", device=device)
    if item.kind == _NIC:
        cls = _NICS.get(item.subtype, _d.VirtualVmxnet3)
        backing = _backing(item, networks)
        return _d.VirtualDeviceSpec(operation="add", device=cls(key=key, backing=backing))
    if item.kind == _CD:
        backing = _d.VirtualCdrom.RemotePassthroughBackingInfo(deviceName="", exclusive=False)
        drive = _d.VirtualCdrom(key=key, controllerKey=parent, unitNumber=item.slot, backing=backing)
        drive.connectable = _d.VirtualDevice.ConnectInfo(
            startConnected=False, allowGuestControl=True, connected=False
        )
        return _d.VirtualDeviceSpec(operation="add", device=drive)
    return None


def _backing(item: Item, networks: Mapping[str, Ref]) -> Any:
    network = networks.get(item.connection)
    if network is None:
        raise OvfError(f"The network {item.connection!r} of {item.name} is not mapped.")
    port = getattr(network, "port", None)
    if port is not None:
        return _d.VirtualEthernetCard.DistributedVirtualPortBackingInfo(port=port)
    return _d.VirtualEthernetCard.NetworkBackingInfo(network=network.ref, deviceName=network.name)


def _vapp(ovf: Descriptor) -> Any:
    if not ovf.properties and not ovf.product:
        return None
    properties = [
        vim.vApp.PropertySpec(
            operation="add",
            info=vim.vApp.PropertyInfo(
                key=number,
                id=prop.ident,
                label=prop.label or prop.ident,
                type=prop.kind,
                defaultValue=prop.value,
                userConfigurable=prop.configurable,
            ),
        )
        for number, prop in enumerate(ovf.properties)
    ]
    product = vim.vApp.ProductSpec(
        operation="add",
        info=vim.vApp.ProductInfo(key=0, name=ovf.product, version=ovf.version),
    )
    return vim.vApp.VmConfigSpec(product=[product], property=properties)
