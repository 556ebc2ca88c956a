"""Applying the fields of a ConfigSpec that are not devices; checks first, then changes."""

from __future__ import annotations

import re
import uuid
from typing import Any

from viaduct_lab.vcenter.core import faults
from viaduct_lab.vcenter.core.types import vim
from viaduct_lab.vcenter.vm.merging import merge
from viaduct_lab.vcenter.vm.state import POWERED_OFF, POWERED_ON, VmState

# Fields that ConfigSpec and ConfigInfo share and that mean nothing more to the simulation.
_KEPT = frozenset(
    {
        "alternateGuestName", "annotation", "bootOptions", "changeTrackingEnabled",
        "consolePreferences", "cpuAffinity", "cpuAllocation", "cpuHotAddEnabled",
        "cpuHotRemoveEnabled", "firmware", "flags", "ftEncryptionMode", "guestAutoLockEnabled",
        "latencySensitivity", "locationId", "managedBy", "maxMksConnections", "memoryAffinity",
        "memoryAllocation", "memoryHotAddEnabled", "memoryReservationLockedToMax",
        "messageBusTunnelEnabled", "migrateEncryption", "nestedHVEnabled", "npivOnNonRdmDisks",
        "npivTemporaryDisabled", "sevEnabled", "swapPlacement", "tools", "vAssertsEnabled",
        "vPMCEnabled", "vmOpNotificationTimeout", "vmOpNotificationToAppEnabled",
    }
)  # fmt: skip
_OFF_ONLY = frozenset(
    {
        "cpuHotAddEnabled", "cpuHotRemoveEnabled", "firmware", "memoryHotAddEnabled",
        "nestedHVEnabled", "sevEnabled", "vPMCEnabled",
    }
)  # fmt: skip
_MAX_CPUS, _MAX_MEMORY_MB = 768, 25_165_824
_VERSION = re.compile(r"vmx-\d{2}")


def check(state: VmState, spec: Any) -> None:
    """Refuse what cannot be: ``InvalidArgument``, or ``InvalidPowerState`` for a running machine."""
    _check_values(spec)
    if state.power.state != POWERED_OFF:
        _check_running(state, spec)


def apply(state: VmState, spec: Any) -> None:
    """Make the changes; :func:`check` must have passed."""
    hardware = state.hardware
    hardware.cpus = spec.numCPUs or hardware.cpus
    if spec.numCoresPerSocket:
        hardware.cores_per_socket = spec.numCoresPerSocket
    hardware.cores_per_socket = max(1, min(hardware.cores_per_socket, hardware.cpus))
    hardware.memory_mb = spec.memoryMB or hardware.memory_mb
    hardware.uuid = (spec.uuid or hardware.uuid).lower()
    hardware.instance_uuid = (spec.instanceUuid or hardware.instance_uuid).lower()
    hardware.guest_id = spec.guestId or hardware.guest_id
    hardware.version = spec.version or hardware.version
    for name in _KEPT:
        value = getattr(spec, name)
        if value is not None:
            known = state.settings.get(name)
            state.settings[name] = merge(known, value) if _merges(known) else value
    if spec.powerOpInfo is not None:
        state.settings["defaultPowerOps"] = spec.powerOpInfo
    if spec.managedBy is not None and not spec.managedBy.extensionKey:
        state.settings.pop("managedBy", None)
    set_extra(state.extra, spec.extraConfig)
    _apply_vapp(state, spec)


def set_extra(extra: dict[str, str], options: Any) -> None:
    """Apply a list of OptionValue: an empty value removes the key."""
    for option in options:
        if option.value is None or option.value == "":
            extra.pop(option.key, None)
        else:
            extra[option.key] = str(option.value)


def _merges(value: Any) -> bool:
    return hasattr(value, "_GetPropertyList")


def _check_values(spec: Any) -> None:
    if spec.numCPUs is not None and not 0 < spec.numCPUs <= _MAX_CPUS:
        raise faults.invalid_argument("configSpec.numCPUs")
    if spec.memoryMB is not None and not (4 <= spec.memoryMB <= _MAX_MEMORY_MB):
        raise faults.invalid_argument("configSpec.memoryMB")
    if spec.memoryMB is not None and spec.memoryMB % 4:
        raise faults.invalid_argument("configSpec.memoryMB", "The memory size must be a multiple of 4 MB.")
    if spec.numCoresPerSocket is not None and spec.numCoresPerSocket < 0:
        raise faults.invalid_argument("configSpec.numCoresPerSocket")
    if spec.version and _VERSION.fullmatch(spec.version) is None:
        raise faults.invalid_argument("configSpec.version")
    if spec.firmware and spec.firmware not in ("bios", "efi"):
        raise faults.invalid_argument("configSpec.firmware")
    for name in ("uuid", "instanceUuid"):
        value = getattr(spec, name)
        if value:
            try:
                uuid.UUID(value)
            except ValueError:
                raise faults.invalid_argument(f"configSpec.{name}") from None


def _check_running(state: VmState, spec: Any) -> None:
    hardware = state.hardware
    on = state.power.state == POWERED_ON
    if spec.numCPUs and spec.numCPUs != hardware.cpus:
        grows = spec.numCPUs > hardware.cpus
        enabled = state.settings.get("cpuHotAddEnabled" if grows else "cpuHotRemoveEnabled")
        if not (on and enabled):
            raise _power_fault(state, "CPU hot plug is not enabled for this virtual machine.")
    if spec.memoryMB and spec.memoryMB != hardware.memory_mb:
        grows = spec.memoryMB > hardware.memory_mb
        if not (on and grows and state.settings.get("memoryHotAddEnabled")):
            raise _power_fault(state, "Memory hot plug is not enabled for this virtual machine.")
    if spec.numCoresPerSocket and spec.numCoresPerSocket != hardware.cores_per_socket:
        raise _power_fault(state, "The number of cores per socket cannot be changed now.")
    for name in ("guestId", "version", "uuid"):
        value = getattr(spec, name)
        current = getattr(hardware, {"guestId": "guest_id"}.get(name, name))
        if value and value.lower() != current.lower():
            raise _power_fault(state, f"{name} cannot be changed in this power state.")
    for name in _OFF_ONLY:
        value = getattr(spec, name)
        if value is not None and value != state.settings.get(name, _DEFAULTS.get(name, False)):
            raise _power_fault(state, f"{name} cannot be changed in this power state.")


_DEFAULTS: dict[str, Any] = {"firmware": "bios"}


def _power_fault(state: VmState, message: str) -> Exception:
    fault: Exception = vim.fault.InvalidPowerState(
        requestedState=POWERED_OFF, existingState=state.power.state, msg=message
    )
    return fault


def _apply_vapp(state: VmState, spec: Any) -> None:
    if spec.vAppConfigRemoved:
        state.settings.pop("vAppConfig", None)
    change = spec.vAppConfig
    if change is None:
        return
    info = state.settings.get("vAppConfig")
    if info is None:
        info = vim.vApp.VmConfigInfo(ipAssignment=vim.vApp.IPAssignmentInfo(), installBootRequired=False)
    info.product = _edited(info.product, change.product, "key")
    info.property = _edited(info.property, change.property, "key")
    info.ovfSection = _edited(info.ovfSection, change.ovfSection, "key")
    if change.eula:
        info.eula = change.eula
    if change.ovfEnvironmentTransport:
        info.ovfEnvironmentTransport = change.ovfEnvironmentTransport
    for name in ("ipAssignment", "installBootRequired", "installBootStopDelay"):
        if getattr(change, name) is not None:
            setattr(info, name, getattr(change, name))
    state.settings["vAppConfig"] = info


def _edited(present: list[Any], changes: list[Any], key: str) -> list[Any]:
    """A list after ArrayUpdateSpec changes (add, edit, remove by key)."""
    result = list(present)
    for change in changes:
        info = change.info
        wanted = change.removeKey if change.operation == "remove" else getattr(info, key, None)
        old = next((item for item in result if getattr(item, key, None) == wanted), None)
        if change.operation == "remove":
            if old is not None:
                result.remove(old)
        elif change.operation == "edit" and old is not None:
            result[result.index(old)] = merge(old, info)
        else:
            result.append(info)
    return result
