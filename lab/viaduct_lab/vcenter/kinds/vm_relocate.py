"""Moving virtual machines: to another host, resource pool, datastore or folder."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from viaduct_lab.storage.errors import Exists
from viaduct_lab.storage.files import Files
from viaduct_lab.storage.paths import DatastorePath
from viaduct_lab.vcenter.core import faults
from viaduct_lab.vcenter.core.kinds import extend, on_start
from viaduct_lab.vcenter.core.managed_entity import ManagedEntity
from viaduct_lab.vcenter.core.types import vim
from viaduct_lab.vcenter.kinds.datastore import Datastore
from viaduct_lab.vcenter.kinds.folder import Folder
from viaduct_lab.vcenter.kinds.host_system import HostSystem
from viaduct_lab.vcenter.kinds.resource_pool import ResourcePool
from viaduct_lab.vcenter.kinds.virtual_machine import VirtualMachine
from viaduct_lab.vcenter.vm import clone_plan, editing, layout, making, placing
from viaduct_lab.vcenter.vm.locking import locked
from viaduct_lab.vcenter.vm.snapshot_tree import file_name
from viaduct_lab.vcenter.vm.state import POWERED_OFF
from viaduct_lab.vcenter.vm.storage_service import blocking, files_of

if TYPE_CHECKING:
    from viaduct_lab.vcenter.core.center import VCenter
    from viaduct_lab.vcenter.core.context import Call
    from viaduct_lab.vcenter.core.tasks import TaskRun


@dataclass(frozen=True)
class Move:
    """Files to move. ``disks``: old path -> new path; ``thin``: wanted provisioning by old path."""

    disks: dict[DatastorePath, DatastorePath]
    thin: dict[DatastorePath, tuple[bool, bool]]
    plain: dict[DatastorePath, DatastorePath]
    folder: DatastorePath


@extend("VirtualMachine", "RelocateVM_Task", task=True, cancelable=True)
@locked
async def relocate(machine: VirtualMachine, call: Call, args: Any, task: TaskRun) -> None:
    """Move by a RelocateSpec."""
    spec, center = args.spec, machine.center
    pool, host = _target(machine, spec)
    folder = None
    if spec.folder is not None:
        folder = making.require_vm_folder(center.registry.find(spec.folder, Folder))
        if folder is not machine.parent:
            center.naming.checked(machine, machine.prop_name(), parent=folder)
    move = await _plan(machine, spec)
    used = [*(move.disks.values()), move.folder, *_staying(machine, move)]
    stores = making.datastore_moids(center, used)
    if host is None:
        owner = pool.owner if pool is not None else _owner(machine)
        host = placing.place(center, owner, stores, machine)
    placing.require_mounts(host, stores)
    task.progress(10)
    source = machine.host
    if move.disks or move.plain:
        await _move_files(machine, move)
    if spec.deviceChange:
        await editing.reconfigure(machine, vim.vm.ConfigSpec(deviceChange=spec.deviceChange))
    _settle(machine, host, pool, folder)
    await editing.written(machine)
    if source is not None and source is not host:
        for each in (source, host):
            each.load_changed()
        argument = vim.event.HostEventArgument(name=source.name, host=source.ref)
        event = vim.event.VmRelocatedEvent if move.disks else vim.event.VmMigratedEvent
        text = f"{machine.name} moved from {source.name} to {host.name}"
        center.events.post(event, machine, text, sourceHost=argument)


@extend("VirtualMachine", "MigrateVM_Task", task=True, cancelable=True)
async def migrate(machine: VirtualMachine, call: Call, args: Any, task: TaskRun) -> None:
    """Move to another host or pool; the files stay."""
    if args.state is not None and args.state != machine.power_state:
        machine.require_power(args.state)
    args.spec = vim.vm.RelocateSpec(host=args.host, pool=args.pool)
    await relocate(machine, call, args, task)


def _owner(machine: VirtualMachine) -> Any:
    host = machine.host
    if host is None or host.parent is None:
        raise faults.invalid_argument("spec.host")
    return host.parent


def _target(machine: VirtualMachine, spec: Any) -> tuple[ResourcePool | None, HostSystem | None]:
    """(pool, host) to move to; None for the host: to be chosen."""
    registry = machine.center.registry
    host = registry.find(spec.host, HostSystem) if spec.host is not None else None
    pool = registry.find(spec.pool, ResourcePool) if spec.pool is not None else machine.pool
    if host is not None and pool is not None and host.parent is not pool.owner:
        if spec.pool is not None:
            raise faults.invalid_argument("spec.host", "Host and resource pool do not match.")
        pool = placing.root_pool(host)
    if host is None and pool is not None and machine.host is not None:
        stays = machine.host.parent is pool.owner and machine.host.usable
        host = machine.host if stays and spec.datastore is None and not spec.disk else None
    return pool, host


async def _plan(machine: VirtualMachine, spec: Any) -> Move:
    """Which files move where. Nothing without a datastore in the spec."""
    center = machine.center
    names = {store.moid: store.name for store in center.registry.of_kind(Datastore)}
    located = clone_plan.locators(spec)
    default = None
    if spec.datastore is not None:
        default = center.registry.find(spec.datastore, Datastore).name
    home = machine.folder
    if default is not None and default != home.datastore:
        home = await blocking(files_of(center).unused_folder, default, home.name)
    to = clone_plan.Destination(home, "", default, None, located, names)
    disks: dict[DatastorePath, DatastorePath] = {}
    thin: dict[DatastorePath, tuple[bool, bool]] = {}
    devices = [*layout.disks(machine.state.devices)]
    for node in machine.snapshots:
        devices += layout.disks(node.frozen.devices)
    for disk in devices:
        path = DatastorePath.parse(file_name(disk))
        locator = located.get(disk.key)
        name = default or path.datastore
        if locator is not None and locator.datastore is not None:
            name = clone_plan.datastore_name(to, locator.datastore)
        if name != path.datastore:
            disks[path] = DatastorePath.of(name, home.path) / path.name
        backing: Any = locator.diskBackingInfo if locator is not None else None
        if getattr(backing, "thinProvisioned", None) is not None:
            thin[path] = (bool(backing.thinProvisioned), bool(backing.eagerlyScrub))
    plain = {}
    if home != machine.folder:
        plain = {p: home / p.name for p in machine.plain_files() if p.parent == machine.folder}
    return Move(disks, thin, plain, home)


def _staying(machine: VirtualMachine, move: Move) -> list[DatastorePath]:
    paths = [DatastorePath.parse(file_name(d)) for d in layout.disks(machine.state.devices)]
    return [path for path in paths if path not in move.disks]


async def _move_files(machine: VirtualMachine, move: Move) -> None:
    if machine.is_guest and machine.power_state != POWERED_OFF:
        raise faults.not_supported(
            "The files of a running guest cannot be moved in the lab: power it off first."
        )
    old, files = machine.folder, files_of(machine.center)
    stores = machine.datastores()
    await blocking(_move, files, move, old)
    machine.state.hardware.folder = move.folder
    every = [machine.state.devices, *(node.frozen.devices for node in machine.snapshots)]
    for devices in every:
        clone_plan.serial_moved(devices, old, move.folder)
        for disk in layout.disks(devices):
            _rewrite(disk.backing, move.disks)
    for node in machine.snapshots:
        node.frozen.hardware.folder = move.folder
    known = {
        disk.key: await blocking(files.disks.info, DatastorePath.parse(file_name(disk)))
        for disk in layout.disks(machine.state.devices)
    }
    machine.complete_disks(known)
    for store in stores:
        store.touched()


def _move(files: Files, move: Move, old: DatastorePath) -> None:
    done: list[tuple[DatastorePath, DatastorePath]] = []
    try:
        for source, target in move.disks.items():
            if not files.exists(target.parent):
                files.make_folder(target.parent)
            files.disks.move(source, target)
            done.append((source, target))
    except BaseException:
        for source, target in reversed(done):
            files.disks.move(target, source)
        raise
    for path, (thin, eager) in move.thin.items():
        files.disks.change(move.disks.get(path, path), thin=thin, eager=eager)
    for source, target in move.plain.items():
        if files.exists(source):
            try:
                files.move(source, target)
            except Exists:
                continue
    for folder in {old, *(source.parent for source in move.disks)}:
        files.delete_empty(folder)


def _rewrite(backing: Any, moved: dict[DatastorePath, DatastorePath]) -> None:
    while backing is not None:
        target = moved.get(DatastorePath.parse(backing.fileName))
        backing.fileName = str(target) if target is not None else backing.fileName
        backing = backing.parent


def _settle(
    machine: VirtualMachine, host: HostSystem, pool: ResourcePool | None, folder: Folder | None
) -> None:
    machine.host_moid = host.moid
    if pool is not None and not machine.is_template:
        machine.pool_moid = pool.moid
    if folder is not None and folder is not machine.parent:
        machine.move_to(folder)
    machine.state_changed("runtime", "summary", "config", "datastore", "resourcePool", "layoutEx", "storage")


async def evacuate(host: HostSystem) -> None:
    """Move the running machines of a host that enters maintenance mode to others of its cluster.

    A machine that no other host can run stays: then entering maintenance mode waits for it.
    """
    for machine in host.running_vms():
        if isinstance(machine, VirtualMachine) and host.parent is not None:
            async with machine.busy:
                _leave(machine, host, host.parent)


def _leave(machine: VirtualMachine, host: HostSystem, owner: ManagedEntity) -> None:
    stores = frozenset(store.moid for store in machine.datastores())
    try:
        target = placing.place(machine.center, owner, stores, machine, leaving=host)
    except vim.fault.NoCompatibleHost:
        return
    machine.host_moid = target.moid
    machine.state_changed("runtime", "summary")
    target.load_changed()
    machine.center.events.post(
        vim.event.DrsVmMigratedEvent,
        machine,
        f"DRS moved {machine.name} from {host.name} to {target.name}",
        sourceHost=vim.event.HostEventArgument(name=host.name, host=host.ref),
    )
    machine.center.commit()


@on_start(70)
def offer_evacuation(center: VCenter) -> None:
    """Let hosts that enter maintenance mode find :func:`evacuate`."""
    center.services["evacuate_host"] = evacuate
