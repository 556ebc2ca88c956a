"""Creating and registering virtual machines."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from viaduct_lab.vcenter.core.kinds import extend
from viaduct_lab.vcenter.core.types import Ref, vim
from viaduct_lab.vcenter.kinds.datastore import datastore_named
from viaduct_lab.vcenter.kinds.folder import Folder
from viaduct_lab.vcenter.kinds.host_system import HostSystem
from viaduct_lab.vcenter.kinds.resource_pool import ResourcePool
from viaduct_lab.vcenter.kinds.virtual_machine import VirtualMachine
from viaduct_lab.vcenter.vm import disk_work, editing, layout, making, networks, settings, vmx
from viaduct_lab.vcenter.vm.making import Home
from viaduct_lab.vcenter.vm.state import Hardware, VmState
from viaduct_lab.vcenter.vm.storage_service import blocking, files_of, parse_path

if TYPE_CHECKING:
    from viaduct_lab.vcenter.core.context import Call
    from viaduct_lab.vcenter.core.tasks import TaskRun


@extend("Folder", "CreateVM_Task", task=True)
async def create_vm(folder: Folder, call: Call, args: Any, task: TaskRun) -> Ref:
    """Make a machine from a ConfigSpec."""
    host = args.host
    machine = await create(folder, args.config, making.pool_of(folder.center, args.pool), host)
    return machine.ref


async def create(folder: Folder, spec: Any, pool: ResourcePool, host: Ref | None) -> VirtualMachine:
    """A new machine in the inventory. Raises faults; then nothing is left of it."""
    center = folder.center
    making.require_vm_folder(folder)
    name = center.naming.checked(None, spec.name, parent=folder)
    home = await making.make_home(center, name, spec.files.vmPathName if spec.files else None)
    async with making.cleared(center, home):
        machine = _new(folder, name, home)
        settings.check(machine.state, spec)
        edit = await editing.plan(machine, spec, machine.state.devices)
        stores = [home.folder, *(action.path for action in edit.actions)]
        chosen = making.host_for(center, pool, host, making.datastore_moids(center, stores))
        files = files_of(center)
        known = await blocking(disk_work.perform, files, edit.actions)
        try:
            editing.commit(machine, spec, edit, known)
            await making.enlist(machine, chosen, pool)
        except BaseException:
            made = [a.path for a in edit.actions if a.path.parent != home.folder]
            await blocking(disk_work.discard, files, made)
            raise
    center.events.post(vim.event.VmCreatedEvent, machine, f"Created virtual machine {name} on {chosen.name}")
    return machine


def _new(folder: Folder, name: str, home: Home) -> VirtualMachine:
    center, now = folder.center, folder.center.now()
    state = VmState(Hardware(home.folder, home.vmx), layout.default_devices(), now, now)
    moid = center.registry.new_moid(VirtualMachine.moid_prefix)
    return VirtualMachine(center, moid, name, folder.moid, state)


@extend("Folder", "RegisterVM_Task", task=True)
async def register_vm(folder: Folder, call: Call, args: Any, task: TaskRun) -> Ref:
    """Bring a machine back whose files were left by UnregisterVM."""
    center, files = folder.center, files_of(folder.center)
    making.require_vm_folder(folder)
    path = parse_path(args.path, "path")
    datastore_named(center, path.datastore)
    _refuse_registered(folder, args.path)
    if not await blocking(files.exists, path):
        raise vim.fault.FileNotFound(file=str(path), msg=f"File {path} was not found.")
    text = await blocking(lambda: files.stores.local(path).read_text())
    shown, saved = vmx.parse(text)
    if saved is None:
        raise vim.fault.InvalidDiskFormat(
            msg=f"{path} was not written by this lab: only such machines can be registered."
        )
    name = center.naming.checked(None, args.name or shown, parent=folder)
    state = VmState.load(saved)
    state.hardware.folder, state.hardware.vmx = path.parent, path.name
    state.hardware.template = bool(args.asTemplate)
    moid = center.registry.new_moid(VirtualMachine.moid_prefix)
    machine = VirtualMachine(center, moid, name, folder.moid, state)
    networks.release(state.devices)
    pool = None if args.asTemplate else making.pool_of(center, args.pool)
    stores = frozenset(store.moid for store in machine.datastores())
    if pool is not None:
        host = making.host_for(center, pool, args.host, stores)
    else:
        host = center.registry.find(args.host, HostSystem)
    await making.enlist(machine, host, pool)
    center.events.post(vim.event.VmRegisteredEvent, machine, f"Registered {name} on {host.name}")
    return machine.ref


def _refuse_registered(folder: Folder, path: str) -> None:
    for machine in folder.center.registry.of_kind(VirtualMachine):
        if machine.folder / machine.state.hardware.vmx == parse_path(path):
            raise vim.fault.AlreadyExists(
                name=machine.name, msg=f"The file is registered already as '{machine.name}'."
            )
