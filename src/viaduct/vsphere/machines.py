"""A node's VM through its life: variables, power, host key, removal."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from pyVmomi import vim, vmodl

from viaduct.errors import VCenterError
from viaduct.model.observed import NodeVm
from viaduct.vsphere import nodes, wait
from viaduct.vsphere.clone import options, prefixed
from viaduct.vsphere.collect import below, one
from viaduct.vsphere.session import Session

_OFF = vim.VirtualMachine.PowerState.poweredOff
_ON = vim.VirtualMachine.PowerState.poweredOn


def adapter_macs(session: Session, vm: NodeVm) -> tuple[str, ...]:
    """MAC addresses of the VM's adapters in device order, lower case."""
    row = one(session, _machine(session, vm), ("config.hardware.device",))
    devices = row.get("config.hardware.device", ()) if row is not None else ()
    adapters = [d for d in devices if isinstance(d, vim.vm.device.VirtualEthernetCard)]
    return tuple((a.macAddress or "").lower() for a in sorted(adapters, key=lambda a: a.key))


def set_guestinfo(session: Session, vm: NodeVm, guestinfo: Mapping[str, str]) -> None:
    """Set ``guestinfo.<key>`` variables; an empty value removes the variable."""
    spec = vim.vm.ConfigSpec(extraConfig=options(prefixed(guestinfo)))
    wait.task(session, _machine(session, vm).ReconfigVM_Task(spec), f"hand VM {vm.name} its guest variables")


def power_on(session: Session, vm: NodeVm) -> None:
    """Power on; a VM that runs already is left alone."""
    machine = _machine(session, vm)
    if _power(session, machine) == _ON:
        return
    wait.task(session, machine.PowerOnVM_Task(None), f"power on VM {vm.name}")


def shut_down(session: Session, vm: NodeVm, timeout: float) -> None:
    """Ask the guest; after ``timeout`` seconds, or when the guest cannot be asked, power off."""
    machine = _machine(session, vm)
    if _power(session, machine) == _OFF:
        return
    try:
        machine.ShutdownGuest()
    except (vim.fault.ToolsUnavailable, vim.fault.InvalidPowerState, vmodl.fault.NotSupported):
        pass
    else:
        off = wait.until(
            session,
            machine,
            ("runtime.powerState",),
            lambda v: v.get("runtime.powerState") == _OFF,
            timeout,
        )
        if off is not None:
            return
    _power_off(session, machine, vm)


def delete(session: Session, vm: NodeVm) -> None:
    """Power off if needed and destroy with its files; a VM that is gone is no error.

    Raises VCenterError when the VM does not carry the cloud's mark (any more).
    """
    machine = _machine(session, vm)
    row = one(session, machine, nodes.PATHS)
    if row is None:
        return
    if nodes.extra_config(row).get(nodes.CLOUD_KEY) != vm.cloud:
        raise VCenterError(
            f"VM {vm.name} does not carry the mark of cloud {vm.cloud} (any more), so it is not removed.",
            "If it is not needed, delete it in vCenter by hand.",
        )
    try:
        if row.get("runtime.powerState") != _OFF:
            _power_off(session, machine, vm)
        wait.task(session, machine.Destroy_Task(), f"delete VM {vm.name}")
    except vmodl.fault.ManagedObjectNotFound:
        return


def remove_half_made(session: Session, folder: Any) -> None:
    """Destroy what interrupted clones left in a cloud's folder: marked as a cloud's, never completed, off."""
    rows = below(session, folder, {vim.VirtualMachine: nodes.PATHS})
    for row in rows:
        extra = nodes.extra_config(row)
        if nodes.CLOUD_KEY in extra and nodes.NODE_KEY not in extra and row.get("runtime.powerState") == _OFF:
            wait.task(session, row.reference.Destroy_Task(), f"remove the half-made VM {row.name}")


def wait_for_host_key(session: Session, vm: NodeVm, timeout: float) -> NodeVm | None:
    """Follow the VM until its guest has published an SSH host key; None when ``timeout`` seconds are over."""
    values = wait.until(
        session,
        _machine(session, vm),
        ("config.extraConfig",),
        lambda v: bool(_host_key(v)),
        timeout,
    )
    if values is None:
        return None
    row = one(session, _machine(session, vm), nodes.PATHS)
    return replace(nodes.describe(row) if row is not None else vm, host_key=_host_key(values))


def _host_key(values: Mapping[str, Any]) -> str:
    found = [o.value for o in values.get("config.extraConfig") or () if o.key == nodes.HOST_KEY]
    return str(found[0]).strip() if found and found[0] else ""


def _machine(session: Session, vm: NodeVm) -> Any:
    return session.object(vim.VirtualMachine, vm.reference)


def _power(session: Session, machine: Any) -> Any:
    row = one(session, machine, ("runtime.powerState",))
    if row is None:
        raise vmodl.fault.ManagedObjectNotFound(obj=machine, msg="The VM has been removed.")
    return row.get("runtime.powerState")


def _power_off(session: Session, machine: Any, vm: NodeVm) -> None:
    try:
        wait.task(session, machine.PowerOffVM_Task(), f"power off VM {vm.name}")
    except VCenterError:
        # It may have gone off by itself meanwhile, which is what was wanted.
        if _power(session, machine) != _OFF:
            raise


def destroy_folder(session: Session, folder: Any, path: str) -> None:
    """Remove an empty VM folder. vSphere would destroy what is in it: the caller has looked."""
    wait.task(session, folder.Destroy_Task(), f"delete folder {path}")
