"""Power operations of virtual machines."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from viaduct_lab.vcenter.core import faults
from viaduct_lab.vcenter.core.kinds import extend
from viaduct_lab.vcenter.core.types import vim
from viaduct_lab.vcenter.kinds.host_system import HostSystem
from viaduct_lab.vcenter.kinds.virtual_machine import VirtualMachine
from viaduct_lab.vcenter.vm import guests, networks, placing, summary_view
from viaduct_lab.vcenter.vm.locking import locked
from viaduct_lab.vcenter.vm.state import POWERED_OFF, POWERED_ON, SUSPENDED, Guest

if TYPE_CHECKING:
    from viaduct_lab.vcenter.core.context import Call
    from viaduct_lab.vcenter.core.tasks import TaskRun

_SHUTDOWN_SECONDS = 0.5
"""How long a simulated guest takes to shut down or reboot."""


@extend("VirtualMachine", "PowerOnVM_Task", task=True)
@locked
async def power_on(machine: VirtualMachine, call: Call, args: Any, task: TaskRun) -> None:
    """Power on, or resume from suspension; on ``host`` if one is given."""
    await start(machine, args.host)


async def start(machine: VirtualMachine, host: Any = None) -> None:
    """Power on or resume. Raises faults; then the machine is as it was."""
    machine.require_no_template()
    if machine.power_state == POWERED_ON:
        machine.require_power(POWERED_OFF, POWERED_ON)
    _settle_host(machine, host)
    if machine.power_state == SUSPENDED:
        await _resume(machine)
        return
    center = machine.center
    center.events.post(vim.event.VmStartingEvent, machine, f"{machine.name} is starting")
    runs = await _start_guest(machine)
    machine.require_alive()
    power = machine.state.power
    power.state, power.boot_time, power.suspend_time = POWERED_ON, center.now(), None
    power.guest = runs
    machine.state.guest = Guest(tools_running=not runs)
    machine.power_changed()
    center.events.post(vim.event.VmPoweredOnEvent, machine, f"{machine.name} is powered on")
    if runs:
        await follow(machine)


def _settle_host(machine: VirtualMachine, wanted: Any) -> None:
    """Move the machine to the wanted host, or to the one that the cluster would choose."""
    pool = machine.pool
    if pool is None:
        raise faults.not_supported("The virtual machine has no resource pool.")
    stores = frozenset(store.moid for store in machine.datastores())
    if wanted is not None:
        host = machine.center.registry.find(wanted, HostSystem)
        placing.require_mounts(host, stores)
    elif machine.power_state == SUSPENDED:
        host = machine.host or placing.place(machine.center, pool.owner, stores, machine)
    else:
        host = placing.place(machine.center, pool.owner, stores, machine)
    if host.moid != machine.host_moid:
        machine.host_moid = host.moid
        machine.state_changed("runtime", "summary")


async def _start_guest(machine: VirtualMachine) -> bool:
    """Start the machine as a guest if it can be one; says whether it was."""
    center = machine.center
    if guests.runtime_of(center) is None:
        return False
    nics = networks.guest_nics(center, machine.state.devices, starting=True)
    spec = await asyncio.to_thread(guests.spec, center, machine.moid, machine.name, machine.state, nics)
    if spec is None:
        return False
    await guests.call(center, "start", spec)
    return True


async def _resume(machine: VirtualMachine) -> None:
    if machine.is_guest:
        await guests.call(machine.center, "resume", machine.moid)
    power = machine.state.power
    power.state, power.suspend_time = POWERED_ON, None
    machine.state.guest.tools_running = True
    machine.power_changed()
    machine.center.events.post(vim.event.VmPoweredOnEvent, machine, f"{machine.name} was resumed")


@extend("VirtualMachine", "PowerOffVM_Task", task=True)
@locked
async def power_off(machine: VirtualMachine, call: Call, args: Any, task: TaskRun) -> None:
    """Power off at once."""
    if machine.power_state == POWERED_OFF:
        machine.require_power(POWERED_ON, POWERED_OFF)
    await stop(machine)


async def stop(machine: VirtualMachine) -> None:
    """Power off at once, from whatever state."""
    if machine.is_guest:
        await guests.call(machine.center, "stop", machine.moid)
    if machine.power_state != POWERED_OFF:
        ended(machine, clean=False)


def ended(machine: VirtualMachine, *, clean: bool) -> None:
    """The machine is off now. ``clean``: the guest ended by itself."""
    power = machine.state.power
    power.state, power.boot_time, power.suspend_time = POWERED_OFF, None, None
    power.clean_off, power.guest = clean, False
    machine.state.guest = Guest()
    machine.power_changed()
    machine.center.events.post(vim.event.VmPoweredOffEvent, machine, f"{machine.name} is powered off")


@extend("VirtualMachine", "ResetVM_Task", task=True)
@locked
async def reset(machine: VirtualMachine, call: Call, args: Any, task: TaskRun) -> None:
    """Hard reset."""
    machine.require_power(POWERED_ON)
    if machine.is_guest:
        # What the guest has set belongs to the virtual hardware, which stays on.
        machine.state.guest = Guest(guestinfo=machine.state.guest.guestinfo)
        machine.guest_changed()
        await guests.call(machine.center, "reset", machine.moid)
    machine.state.power.boot_time = machine.center.now()
    machine.changed("runtime", "summary")
    machine.center.events.post(vim.event.VmResettingEvent, machine, f"{machine.name} was reset")
    if machine.is_guest:
        await follow(machine)


@extend("VirtualMachine", "SuspendVM_Task", task=True)
@locked
async def suspend(machine: VirtualMachine, call: Call, args: Any, task: TaskRun) -> None:
    """Freeze with all memory."""
    machine.require_power(POWERED_ON, SUSPENDED)
    await _suspend(machine)


async def _suspend(machine: VirtualMachine) -> None:
    if machine.is_guest:
        await guests.call(machine.center, "suspend", machine.moid)
    machine.state.power.state = SUSPENDED
    machine.state.power.suspend_time = machine.center.now()
    machine.power_changed()
    machine.center.events.post(vim.event.VmSuspendedEvent, machine, f"{machine.name} is suspended")


@extend("VirtualMachine", "TerminateVM")
async def terminate(machine: VirtualMachine, call: Call, args: Any) -> None:
    """Power off at once, as if the host had killed it."""
    machine.require_power(POWERED_ON)
    await stop(machine)


# -- through the guest's tools -----------------------------------------------------------------


def _require_tools(machine: VirtualMachine, requested: str) -> None:
    machine.require_power(POWERED_ON, requested)
    if not summary_view.tools_running(machine.state):
        raise vim.fault.ToolsUnavailable(
            msg="Cannot complete operation because VMware Tools is not running in this virtual machine."
        )


@extend("VirtualMachine", "ShutdownGuest")
async def shutdown_guest(machine: VirtualMachine, call: Call, args: Any) -> None:
    """Ask the guest to shut down; returns at once."""
    _require_tools(machine, POWERED_OFF)
    machine.center.events.post(
        vim.event.VmGuestShutdownEvent, machine, f"Guest OS shut down for {machine.name}"
    )
    if machine.is_guest:
        await guests.call(machine.center, "shutdown", machine.moid)
    else:
        machine.center.spawn(_simulated_shutdown(machine, machine.state.power.boot_time))


async def _simulated_shutdown(machine: VirtualMachine, boot: Any) -> None:
    await asyncio.sleep(_SHUTDOWN_SECONDS)
    power = machine.state.power
    if power.state == POWERED_ON and power.boot_time == boot:
        ended(machine, clean=True)
        machine.center.commit()


@extend("VirtualMachine", "RebootGuest")
async def reboot_guest(machine: VirtualMachine, call: Call, args: Any) -> None:
    """Ask the guest to reboot; returns at once."""
    _require_tools(machine, POWERED_ON)
    machine.center.events.post(vim.event.VmGuestRebootEvent, machine, f"Guest OS reboot for {machine.name}")
    if machine.is_guest:
        await guests.call(machine.center, "reboot", machine.moid)
    else:
        machine.state.power.boot_time = machine.center.now()
        machine.changed("runtime", "summary")


@extend("VirtualMachine", "StandbyGuest")
async def standby_guest(machine: VirtualMachine, call: Call, args: Any) -> None:
    """Ask the guest to stand by: the machine is suspended."""
    _require_tools(machine, SUSPENDED)
    machine.center.events.post(vim.event.VmGuestStandbyEvent, machine, f"Guest OS standby for {machine.name}")
    await _suspend(machine)


# -- following a running guest -----------------------------------------------------------------


async def follow(machine: VirtualMachine) -> None:
    """Take over the guest's present status."""
    status = await guests.call(machine.center, "status", machine.moid)
    if status is None or not machine.is_guest:
        return
    if machine.center.registry.get(machine.moid) is not machine:
        return
    if status.state == "off":
        if machine.power_state != POWERED_OFF:
            ended(machine, clean=True)
        return
    if machine.power_state != POWERED_ON:
        return
    guest_changed, config_changed = guests.apply_status(machine.state, status)
    if config_changed:
        machine.changed("config")
    if guest_changed:
        machine.guest_changed()
