"""Changing virtual machines: configuration, name, template or not."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from viaduct_lab.vcenter.core import faults
from viaduct_lab.vcenter.core.kinds import extend
from viaduct_lab.vcenter.core.types import vim
from viaduct_lab.vcenter.kinds.virtual_machine import VirtualMachine
from viaduct_lab.vcenter.vm import editing, making
from viaduct_lab.vcenter.vm.locking import locked
from viaduct_lab.vcenter.vm.state import POWERED_OFF

if TYPE_CHECKING:
    from viaduct_lab.vcenter.core.context import Call
    from viaduct_lab.vcenter.core.tasks import TaskRun


@extend("VirtualMachine", "ReconfigVM_Task", task=True)
@locked
async def reconfigure(machine: VirtualMachine, call: Call, args: Any, task: TaskRun) -> None:
    """Apply a ConfigSpec."""
    spec = args.spec
    if spec.changeVersion:
        current = machine.prop_config().changeVersion
        if spec.changeVersion != current:
            raise vim.fault.ConcurrentAccess(
                msg="The virtual machine has been changed since its configuration was read."
            )
    if machine.is_template and spec.deviceChange:
        raise faults.not_supported("The devices of a template cannot be changed.")
    before = machine.name
    await editing.reconfigure(machine, spec)
    machine.center.events.post(
        vim.event.VmReconfiguredEvent,
        machine,
        f"Reconfigured {machine.name}",
        configSpec=vim.vm.ConfigSpec(name=spec.name, numCPUs=spec.numCPUs, memoryMB=spec.memoryMB),
    )
    if machine.name != before:
        _renamed(machine, before)


@extend("VirtualMachine", "Rename_Task", task=True)
@locked
async def rename(machine: VirtualMachine, call: Call, args: Any, task: TaskRun) -> None:
    """Give the machine another name; its files keep theirs."""
    before = machine.name
    machine.rename(args.newName)
    await editing.written(machine)
    _renamed(machine, before)


def _renamed(machine: VirtualMachine, before: str) -> None:
    machine.center.events.post(
        vim.event.VmRenamedEvent,
        machine,
        f"Renamed {before} to {machine.name}",
        oldName=before,
        newName=machine.name,
    )


@extend("VirtualMachine", "MarkAsTemplate")
async def mark_as_template(machine: VirtualMachine, call: Call, args: Any) -> None:
    """Make it a template."""
    machine.require_no_template()
    machine.require_power(POWERED_OFF)
    machine.state.hardware.template = True
    machine.pool_moid = None
    machine.state_changed("config", "summary", "resourcePool")


@extend("VirtualMachine", "MarkAsVirtualMachine")
async def mark_as_vm(machine: VirtualMachine, call: Call, args: Any) -> None:
    """Make a template a virtual machine again."""
    if not machine.is_template:
        raise faults.not_supported("It is not a template.")
    pool = making.pool_of(machine.center, args.pool)
    stores = frozenset(store.moid for store in machine.datastores())
    host = making.host_for(machine.center, pool, args.host, stores)
    machine.state.hardware.template = False
    machine.host_moid, machine.pool_moid = host.moid, pool.moid
    machine.state_changed("config", "summary", "resourcePool", "runtime")


@extend("VirtualMachine", "UpgradeVM_Task", task=True)
@locked
async def upgrade(machine: VirtualMachine, call: Call, args: Any, task: TaskRun) -> None:
    """Raise the version of the virtual hardware."""
    machine.require_power(POWERED_OFF)
    wanted = args.version or "vmx-21"
    if wanted <= machine.state.hardware.version:
        raise vim.fault.AlreadyUpgraded(msg="The virtual hardware has this version already.")
    machine.state.hardware.version = wanted
    machine.state_changed("config", "summary")


@extend("VirtualMachine", "RefreshStorageInfo")
async def refresh_storage(machine: VirtualMachine, call: Call, args: Any) -> None:
    """Measure the machine's files again."""
    await machine.measure()


@extend("VirtualMachine", "Reload")
async def reload(machine: VirtualMachine, call: Call, args: Any) -> None:
    """Tell clients everything again."""
    machine.notify()
