"""The end of virtual machines: destroyed, or taken out of the inventory."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from viaduct_lab.storage.errors import StorageError
from viaduct_lab.storage.files import Files
from viaduct_lab.storage.paths import DatastorePath
from viaduct_lab.vcenter.core.kinds import extend
from viaduct_lab.vcenter.core.types import vim
from viaduct_lab.vcenter.kinds import datastore as datastores
from viaduct_lab.vcenter.kinds import vm_power
from viaduct_lab.vcenter.kinds.virtual_machine import VirtualMachine
from viaduct_lab.vcenter.vm import disk_work, guests
from viaduct_lab.vcenter.vm.locking import locked
from viaduct_lab.vcenter.vm.state import POWERED_ON
from viaduct_lab.vcenter.vm.storage_service import blocking, files_of

if TYPE_CHECKING:
    from viaduct_lab.vcenter.core.context import Call
    from viaduct_lab.vcenter.core.tasks import TaskRun


@extend("VirtualMachine", "Destroy_Task", task=True)
@locked
async def destroy(machine: VirtualMachine, call: Call, args: Any, task: TaskRun) -> None:
    """Remove the machine and delete its files: all disks, wherever they lie, and its folder's own."""
    _refuse_on(machine)
    await remove(machine)


async def remove(machine: VirtualMachine) -> None:
    """Out of the inventory, then the files: a crash between leaves files, never a machine without."""
    center = machine.center
    await _end_guest(machine)
    disks, plain, stores = machine.disk_paths(), machine.plain_files(), machine.datastores()
    center.events.post(vim.event.VmRemovedEvent, machine, f"Removed {machine.name} from the inventory")
    center.registry.remove(machine)
    await blocking(_delete_files, files_of(center), machine.folder, disks, list(plain))
    for store in stores:
        store.touched()


async def _end_guest(machine: VirtualMachine) -> None:
    """A suspended guest is frozen, not gone: its processes have to end. Then nothing is kept of it."""
    if machine.is_guest:
        await vm_power.stop(machine)
    await guests.call(machine.center, "forget", machine.moid)


def _delete_files(
    files: Files, folder: DatastorePath, disks: list[DatastorePath], plain: list[DatastorePath]
) -> None:
    disk_work.discard(files, disks)
    for path in plain:
        try:
            files.stores.local(path).unlink(missing_ok=True)
        except (StorageError, OSError):
            continue
    for path in {folder, *(disk.parent for disk in disks)}:
        try:
            files.delete_empty(path)
        except StorageError:
            continue


def _refuse_on(machine: VirtualMachine) -> None:
    if machine.power_state == POWERED_ON:
        raise vim.fault.InvalidPowerState(
            requestedState="poweredOff",
            existingState=machine.power_state,
            msg="The attempted operation cannot be performed in the current state (Powered on).",
        )


@extend("VirtualMachine", "UnregisterVM")
async def unregister(machine: VirtualMachine, call: Call, args: Any) -> None:
    """Take the machine out of the inventory and keep its files."""
    _refuse_on(machine)
    await _end_guest(machine)
    machine.center.events.post(
        vim.event.VmRemovedEvent, machine, f"Removed {machine.name} from the inventory"
    )
    machine.center.registry.remove(machine)
    datastores.touched(machine.center, machine.folder)
