"""Cloning virtual machines and templates: full, or linked to a snapshot."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from viaduct_lab.storage.errors import NotFound
from viaduct_lab.storage.files import Files
from viaduct_lab.vcenter.core import faults
from viaduct_lab.vcenter.core.kinds import extend
from viaduct_lab.vcenter.core.types import Ref, vim
from viaduct_lab.vcenter.kinds import vm_power
from viaduct_lab.vcenter.kinds.datastore import Datastore, datastore_named
from viaduct_lab.vcenter.kinds.folder import Folder
from viaduct_lab.vcenter.kinds.host_system import HostSystem
from viaduct_lab.vcenter.kinds.resource_pool import ResourcePool
from viaduct_lab.vcenter.kinds.virtual_machine import VirtualMachine
from viaduct_lab.vcenter.vm import clone_plan, disk_work, editing, layout, making, placing, settings
from viaduct_lab.vcenter.vm.clone_plan import Destination, DiskCopy
from viaduct_lab.vcenter.vm.disk_actions import ChildDisk, CreateDisk, DestroyDisk
from viaduct_lab.vcenter.vm.edits import Edit
from viaduct_lab.vcenter.vm.making import Home
from viaduct_lab.vcenter.vm.snapshot_tree import file_name
from viaduct_lab.vcenter.vm.state import Guest, Power, VmState
from viaduct_lab.vcenter.vm.storage_service import blocking, files_of

if TYPE_CHECKING:
    from viaduct_lab.vcenter.core.context import Call
    from viaduct_lab.vcenter.core.tasks import TaskRun


@extend("VirtualMachine", "CloneVM_Task", task=True, cancelable=True)
async def clone(machine: VirtualMachine, call: Call, args: Any, task: TaskRun) -> Ref:
    """Make a copy. Not exclusive: many clones of one template are made side by side."""
    machine.require_alive()
    center, spec = machine.center, args.spec
    if spec.customization is not None:
        raise faults.not_supported(
            "Guest customization is not simulated: use guestinfo (cloud-init) instead."
        )
    folder = making.require_vm_folder(center.registry.find(args.folder, Folder))
    name = center.naming.checked(None, args.name, parent=folder)
    source = _source(machine, spec)
    pool, template = _pool(machine, spec), bool(spec.template)
    store = await _home_store(machine, spec)
    home = await making.make_home(center, name, f"[{store.name}]")
    async with making.cleared(center, home):
        made = await _make(machine, folder, name, home, source, spec, pool, task)
    center.events.post(
        vim.event.VmClonedEvent,
        made,
        f"Cloned {machine.name} to {name}",
        sourceVm=making.event_argument(machine),
    )
    if spec.powerOn and not template:
        center.commit()
        await vm_power.start(made)
    return made.ref


def _source(machine: VirtualMachine, spec: Any) -> VmState:
    """The state that is copied: the present one, or that of ``spec.snapshot``."""
    if spec.snapshot is None:
        if spec.location.diskMoveType == clone_plan.CHILD and machine.snapshots.current is None:
            raise faults.invalid_argument(
                "spec.location.diskMoveType", "A linked clone needs a snapshot to be linked to."
            )
        return machine.state
    node = machine.snapshots.nodes.get(spec.snapshot._moId)
    if node is None:
        raise faults.not_found(spec.snapshot)
    return node.frozen


def _pool(machine: VirtualMachine, spec: Any) -> ResourcePool | None:
    if spec.location.pool is not None:
        return machine.center.registry.find(spec.location.pool, ResourcePool)
    if spec.template:
        return None
    if machine.pool is None:
        raise faults.invalid_argument("spec.location.pool", "Cloning a template needs a resource pool.")
    return machine.pool


async def _home_store(machine: VirtualMachine, spec: Any) -> Datastore:
    if spec.location.datastore is not None:
        return machine.center.registry.find(spec.location.datastore, Datastore)
    return datastore_named(machine.center, machine.folder.datastore)


async def _make(
    machine: VirtualMachine,
    folder: Folder,
    name: str,
    home: Home,
    source: VmState,
    spec: Any,
    pool: ResourcePool | None,
    task: TaskRun,
) -> VirtualMachine:
    center, files = machine.center, files_of(machine.center)
    made = VirtualMachine(
        center, center.registry.new_moid("vm"), name, folder.moid, _copied(machine, source, home)
    )
    config = spec.config if spec.config is not None else vim.vm.ConfigSpec()
    settings.check(made.state, config)
    devices, copies = clone_plan.plan(source.devices, _destination(machine, spec, home))
    _new_macs(machine, devices)
    clone_plan.serial_moved(devices, machine.folder, home.folder)
    made.state.devices = devices
    edit = await _edited(made, source, spec, config)
    copies = _wanted(edit, copies)
    stores = [home.folder, *(c.target for c in copies), *(a.path for a in edit.actions)]
    host = _host(machine, spec, pool, making.datastore_moids(center, stores))
    _require_space(machine, copies)
    task.progress(10)
    try:
        await _copy_disks(files, copies, task)
        known = await blocking(disk_work.perform, files, edit.actions)
        infos = {c.key: await blocking(files.disks.info, c.target) for c in copies}
        editing.commit(made, config, edit, {**infos, **known})
        made.state.hardware.template = bool(spec.template)
        await making.enlist(made, host, None if spec.template else pool)
    except BaseException:
        paths = [*(c.target for c in copies), *(a.path for a in edit.actions if _creates(a))]
        await blocking(disk_work.discard, files, [p for p in paths if p.parent != home.folder])
        raise
    return made


def _creates(action: Any) -> bool:
    return isinstance(action, CreateDisk | ChildDisk)


def _copied(machine: VirtualMachine, source: VmState, home: Home) -> VmState:
    """The state of the copy: everything but identity, power, place and what a guest said of itself."""
    now = machine.center.now()
    state = VmState.load(source.save())
    fresh = type(state.hardware)(home.folder, home.vmx)
    for field in ("guest_id", "version", "cpus", "cores_per_socket", "memory_mb"):
        setattr(fresh, field, getattr(state.hardware, field))
    state.hardware, state.power, state.guest = fresh, Power(), Guest()
    state.created = state.modified = now
    return state


def _destination(machine: VirtualMachine, spec: Any, home: Home) -> Destination:
    location = spec.location
    names = {store.moid: store.name for store in machine.center.registry.of_kind(Datastore)}
    return Destination(
        folder=home.folder,
        stem=home.vmx.rpartition(".")[0],
        default=names.get(location.datastore._moId) if location.datastore is not None else None,
        move_type=location.diskMoveType,
        locators=clone_plan.locators(location),
        datastore_names=names,
    )


def _new_macs(machine: VirtualMachine, devices: Sequence[Any]) -> None:
    for adapter in layout.adapters(devices):
        if not adapter.macAddress:
            adapter.macAddress = editing.new_mac(machine.center)


async def _edited(made: VirtualMachine, source: VmState, spec: Any, config: Any) -> Edit:
    """The device changes of ``spec.location`` and ``spec.config`` on the copied devices."""
    asked = [*spec.location.deviceChange, *config.deviceChange]
    changes = clone_plan.translated(asked, source.devices, made.state.devices)
    return await editing.plan(made, vim.vm.ConfigSpec(deviceChange=changes), made.state.devices)


def _wanted(edit: Edit, copies: list[DiskCopy]) -> list[DiskCopy]:
    """The copies of disks that the clone keeps; a disk removed at once is not copied at all."""
    names = {file_name(disk) for disk in layout.disks(edit.devices)}
    wanted = [step for step in copies if str(step.target) in names]
    unmade = {step.target for step in copies if str(step.target) not in names}
    edit.actions = [a for a in edit.actions if not (isinstance(a, DestroyDisk) and a.path in unmade)]
    return wanted


def _host(
    machine: VirtualMachine, spec: Any, pool: ResourcePool | None, stores: frozenset[str]
) -> HostSystem:
    if pool is not None:
        return making.host_for(machine.center, pool, spec.location.host, stores)
    if spec.location.host is not None:
        host = machine.center.registry.find(spec.location.host, HostSystem)
        placing.require_mounts(host, stores)
        return host
    owner = machine.host.parent if machine.host is not None else None
    if owner is None:
        raise faults.invalid_argument("spec.location.host")
    return placing.place(machine.center, owner, stores)


def _require_space(machine: VirtualMachine, copies: list[DiskCopy]) -> None:
    sizes = {d.key: int(d.capacityInBytes or 0) for d in layout.disks(machine.state.devices)}
    thick = {d.key for d in layout.disks(machine.state.devices) if d.backing.thinProvisioned is False}
    for step in copies:
        if step.thin is False or (step.thin is None and step.key in thick and not step.child):
            store = datastore_named(machine.center, step.target.datastore)
            store.require(sizes.get(step.key, 0))


async def _copy_disks(files: Files, copies: list[DiskCopy], task: TaskRun) -> None:
    for number, step in enumerate(copies):
        task.check_cancelled()
        await blocking(copy_disk, files, step)
        task.progress(10 + 80 * (number + 1) // len(copies))


def copy_disk(files: Files, step: DiskCopy) -> None:
    """Make one copy; blocks."""
    if not files.exists(step.target.parent):
        if "/" in step.target.parent.path:
            raise NotFound(step.target.parent)
        files.make_folder(step.target.parent)
    thin = True if step.child else step.thin
    files.disks.copy(step.source, step.target, child=step.child, thin=thin, eager=step.eager)
