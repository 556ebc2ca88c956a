"""Changes of a virtual machine's devices: a pure function from device list to device list.

The input is never modified. Files are not touched: what they need is returned as actions.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from viaduct_lab.storage.errors import InvalidPath
from viaduct_lab.storage.paths import DatastorePath
from viaduct_lab.vcenter.core.types import vim
from viaduct_lab.vcenter.vm import addresses, disk_edits, layout
from viaduct_lab.vcenter.vm.disk_actions import Action
from viaduct_lab.vcenter.vm.layout import Device
from viaduct_lab.vcenter.vm.merging import merge

_d = vim.vm.device
_HOT_PLUGGABLE = (
    _d.VirtualDisk,
    _d.VirtualEthernetCard,
    _d.VirtualSCSIController,
    _d.VirtualSATAController,
    _d.VirtualNVMEController,
    _d.VirtualUSBController,
    _d.VirtualUSBXHCIController,
)


@dataclass(frozen=True)
class EditContext:
    """What device edits must know of the virtual machine.

    ``folder``: its folder; ``stem``: how new disks' names begin; ``taken``: disk files that exist
    there; ``datastore_names``: moid -> name; ``exists`` says whether a disk's file is there.
    """

    folder: DatastorePath
    stem: str
    taken: frozenset[DatastorePath] = frozenset()
    datastore_names: Mapping[str, str] = field(default_factory=dict)
    powered_on: bool = False
    snapshots: bool = False
    new_mac: Callable[[], str] = lambda: addresses.generate(())


@dataclass
class Edit:
    """A device list in the making, with the file actions that belong to it."""

    devices: list[Device]
    context: EditContext
    actions: list[Action] = field(default_factory=list)
    keys: dict[int, int] = field(default_factory=dict)
    """Temporary key of an added device -> the key it got."""
    adapters_changed: bool = False

    def named(self) -> set[DatastorePath]:
        """Disk files that exist or are about to."""
        made = {a.path for a in self.actions if hasattr(a, "path")}
        return made | self.context.taken


def apply_changes(devices: Sequence[Device], changes: Sequence[Any], context: EditContext) -> Edit:
    """The devices after ``changes`` (VirtualDeviceConfigSpec, in order).

    Raises ``InvalidDeviceSpec`` and its kin, naming the index of the change.
    """
    edit = Edit([copy.deepcopy(device) for device in devices], context)
    # Controllers first: a disk may come before the controller that it names.
    order = sorted(range(len(changes)), key=lambda i: not _adds_controller(changes[i]))
    for index in order:
        change = changes[index]
        try:
            _apply(edit, change, index)
        except InvalidPath as error:
            raise vim.fault.InvalidDatastorePath(
                datastorePath=str(getattr(change.device.backing, "fileName", "")), msg=str(error)
            ) from error
    _check_controllers(edit)
    layout.link_controllers(edit.devices)
    return edit


def invalid(index: int, prop: str, message: str) -> Exception:
    """``InvalidDeviceSpec`` for the change at ``index``."""
    fault: Exception = vim.fault.InvalidDeviceSpec(
        deviceIndex=index,
        property=prop,
        msg=f"Invalid configuration for device '{index}': {message}",
    )
    return fault


def _adds_controller(change: Any) -> bool:
    return change.operation == "add" and isinstance(change.device, _d.VirtualController)


def _apply(edit: Edit, change: Any, index: int) -> None:
    if change.device is None:
        raise invalid(index, "device", "it names no device.")
    match change.operation:
        case "add":
            _add(edit, change, index)
        case "edit" | None:
            _edit(edit, change, index)
        case "remove":
            _remove(edit, change, index)
        case other:
            raise invalid(index, "operation", f"{other!r} is no operation.")


def _find(edit: Edit, device: Device, index: int) -> Device:
    key = edit.keys.get(device.key, device.key)
    found = next((d for d in edit.devices if d.key == key), None)
    if found is None:
        raise invalid(index, "key", f"there is no device with key {device.key}.")
    return found


def _check_hot(edit: Edit, device: Device, verb: str) -> None:
    if not edit.context.powered_on:
        return
    on_ide = isinstance(device, _d.VirtualDisk) and isinstance(
        _controller(edit, device), _d.VirtualIDEController
    )
    if on_ide or not isinstance(device, _HOT_PLUGGABLE):
        raise vim.fault.InvalidPowerState(
            requestedState="poweredOff",
            existingState="poweredOn",
            msg=f"This device cannot be {verb} while the virtual machine is powered on.",
        )


def _controller(edit: Edit, device: Device) -> Device | None:
    return next((d for d in edit.devices if d.key == device.controllerKey), None)


# -- add ---------------------------------------------------------------------------------------


def _add(edit: Edit, change: Any, index: int) -> None:
    device = copy.deepcopy(change.device)
    wanted = device.key
    device.controllerKey = edit.keys.get(device.controllerKey, device.controllerKey)
    if isinstance(device, _d.VirtualController):
        _place_controller(edit, device, index)
    else:
        _place(edit, device, index)
    _check_hot(edit, device, "added")
    device.key = layout.free_key(device, edit.devices)
    if isinstance(device, _d.VirtualDisk):
        disk_edits.add(edit, device, change, index)
    elif isinstance(device, _d.VirtualEthernetCard):
        _complete_adapter(edit, device, index)
    if isinstance(device, (_d.VirtualCdrom, _d.VirtualSerialPort, _d.VirtualFloppy)):
        _connect(device, edit.context.powered_on)
    device.deviceInfo = vim.Description(
        label=layout.label(device, edit.devices), summary=layout.summary(device)
    )
    edit.keys[wanted] = device.key
    edit.devices.append(device)


def _place_controller(edit: Edit, controller: Device, index: int) -> None:
    free = layout.free_buses(controller, edit.devices)
    if not free:
        raise invalid(index, "busNumber", "there can be no more controllers of its kind.")
    if controller.busNumber not in free:
        controller.busNumber = free[0]
    if isinstance(controller, _d.VirtualSCSIController):
        controller.sharedBus = controller.sharedBus or "noSharing"
        controller.scsiCtlrUnitNumber = 7
        controller.hotAddRemove = True
    if not isinstance(controller, (_d.VirtualIDEController, _d.VirtualSIOController)):
        controller.controllerKey = layout.PCI_KEY
        controller.unitNumber = layout.first_pci_unit(edit.devices)


def _place(edit: Edit, device: Device, index: int) -> None:
    if isinstance(device, (_d.VirtualEthernetCard, _d.VirtualPCIPassthrough)):
        device.controllerKey, device.unitNumber = layout.PCI_KEY, None
    elif isinstance(device, (_d.VirtualSerialPort, _d.VirtualParallelPort, _d.VirtualFloppy)):
        device.controllerKey, device.unitNumber = 400, len(edit.devices)
        return
    elif not isinstance(device, (_d.VirtualDisk, _d.VirtualCdrom)):
        return
    controller = _controller(edit, device)
    if controller is None:
        if device.controllerKey is not None:
            raise invalid(index, "controllerKey", f"no controller has key {device.controllerKey}.")
        controller = _default_controller(edit, device)
    if controller is None:
        raise invalid(index, "controllerKey", "no controller has room for it.")
    device.controllerKey = controller.key
    device.unitNumber = _unit(edit, device, controller, index)


def _default_controller(edit: Edit, device: Device) -> Device | None:
    order = layout.STORAGE_CONTROLLERS
    if isinstance(device, _d.VirtualCdrom):
        order = (_d.VirtualSATAController, _d.VirtualIDEController)
    for cls in order:
        for controller in edit.devices:
            if isinstance(controller, cls) and layout.free_unit(controller, edit.devices) is not None:
                return controller
    return None


def _unit(edit: Edit, device: Device, controller: Device, index: int) -> int:
    wanted = device.unitNumber
    others = [d for d in edit.devices if d.key != device.key or d.controllerKey != controller.key]
    if wanted is None or wanted < 0:
        free = layout.free_unit(controller, others)
        if free is None:
            raise invalid(index, "unitNumber", "all units of its controller are taken.")
        return free
    offer = layout.slots(controller)
    if wanted >= offer.count or wanted in offer.reserved:
        raise invalid(index, "unitNumber", f"its controller has no unit {wanted}.")
    if any(d.controllerKey == controller.key and d.unitNumber == wanted for d in others):
        raise invalid(index, "unitNumber", f"unit {wanted} of its controller is taken.")
    return int(wanted)


def _complete_adapter(edit: Edit, adapter: Device, index: int) -> None:
    if adapter.backing is None:
        raise invalid(index, "backing", "the network adapter has no backing.")
    adapter.addressType = adapter.addressType or ("manual" if adapter.macAddress else "assigned")
    if adapter.addressType.lower() != "manual" and not adapter.macAddress:
        adapter.macAddress = edit.context.new_mac()
        adapter.addressType = "assigned"
    _normalize_mac(adapter, index)
    if adapter.wakeOnLanEnabled is None:
        adapter.wakeOnLanEnabled = True
    _connect(adapter, edit.context.powered_on)
    edit.adapters_changed = True


def _normalize_mac(adapter: Device, index: int) -> None:
    mac = addresses.normalized(adapter.macAddress or "")
    if mac is None:
        raise invalid(index, "macAddress", f"{adapter.macAddress!r} is no unicast MAC address.")
    adapter.macAddress = mac


def _connect(device: Device, powered_on: bool) -> None:
    given = device.connectable
    start = given.startConnected if given is not None else True
    device.connectable = _d.VirtualDevice.ConnectInfo(
        startConnected=start,
        allowGuestControl=given.allowGuestControl if given is not None else True,
        connected=bool(powered_on and (start or (given is not None and given.connected))),
        status="ok" if powered_on else "untried",
    )


# -- edit, remove ------------------------------------------------------------------------------


def _edit(edit: Edit, change: Any, index: int) -> None:
    old, new = _find(edit, change.device, index), change.device
    if not isinstance(new, type(old)) and not isinstance(old, type(new)):
        raise invalid(index, "device", f"device {old.key} is a {type(old)._wsdlName}.")
    changed = merge(old, new)
    changed.key, changed.deviceInfo = old.key, copy.copy(old.deviceInfo)
    changed.controllerKey = edit.keys.get(changed.controllerKey, changed.controllerKey)
    if (changed.controllerKey, changed.unitNumber) != (old.controllerKey, old.unitNumber):
        _place(edit, changed, index)
    if isinstance(changed, _d.VirtualDisk):
        disk_edits.change(edit, old, changed, new, change, index)
    if isinstance(changed, _d.VirtualEthernetCard):
        _edit_adapter(edit, old, changed, index)
    if changed.deviceInfo is not None:
        changed.deviceInfo.summary = layout.summary(changed)
    edit.devices[edit.devices.index(old)] = changed


def _edit_adapter(edit: Edit, old: Device, changed: Device, index: int) -> None:
    _normalize_mac(changed, index)
    if changed.macAddress != old.macAddress and edit.context.powered_on:
        raise vim.fault.InvalidPowerState(
            requestedState="poweredOff",
            existingState="poweredOn",
            msg="A MAC address cannot be changed while the virtual machine is powered on.",
        )
    if not edit.context.powered_on and changed.connectable is not None:
        changed.connectable.connected = False
    edit.adapters_changed = True


def _remove(edit: Edit, change: Any, index: int) -> None:
    device = _find(edit, change.device, index)
    _check_hot(edit, device, "removed")
    edit.devices.remove(device)
    if isinstance(device, _d.VirtualDisk):
        disk_edits.remove(edit, device, change)
    if isinstance(device, _d.VirtualEthernetCard):
        edit.adapters_changed = True


def _check_controllers(edit: Edit) -> None:
    keys = {d.key for d in edit.devices}
    for device in edit.devices:
        if device.controllerKey is not None and device.controllerKey not in keys:
            raise invalid(0, "key", f"a controller in use by device {device.key} would be removed.")
