"""Snapshots of virtual machines."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

from viaduct_lab.vcenter.core import faults
from viaduct_lab.vcenter.core.kinds import extend, kind
from viaduct_lab.vcenter.core.managed_object import ManagedObject, soap_method, task_method
from viaduct_lab.vcenter.core.types import Ref, vim
from viaduct_lab.vcenter.kinds import vm_power
from viaduct_lab.vcenter.kinds.virtual_machine import VirtualMachine
from viaduct_lab.vcenter.vm import config_view, editing, networks, snapshot_disks
from viaduct_lab.vcenter.vm.locking import locked
from viaduct_lab.vcenter.vm.snapshot_tree import Node, file_name
from viaduct_lab.vcenter.vm.state import POWERED_OFF, VmState
from viaduct_lab.vcenter.vm.storage_service import blocking, files_of

if TYPE_CHECKING:
    from viaduct_lab.vcenter.core.center import VCenter
    from viaduct_lab.vcenter.core.context import Call
    from viaduct_lab.vcenter.core.tasks import TaskRun


@kind
class Snapshot(ManagedObject):
    """One snapshot; its state is kept with its machine."""

    vim_type = vim.vm.Snapshot
    moid_prefix = "snapshot"

    def __init__(self, center: VCenter, moid: str, vm_moid: str) -> None:
        super().__init__(center, moid)
        self.vm_moid = vm_moid

    @property
    def machine(self) -> VirtualMachine:
        """The machine that it belongs to."""
        return self.center.registry.find(vim.VirtualMachine(self.vm_moid), VirtualMachine)

    @property
    def node(self) -> Node:
        """Its place in the tree. Raises ``ManagedObjectNotFound`` once it is removed."""
        found = self.machine.snapshots.nodes.get(self.moid)
        if found is None:
            raise faults.not_found(self.ref)
        return found

    def prop_vm(self) -> Ref:
        return self.machine.ref

    def prop_config(self) -> Any:
        return config_view.config_info(self.node.frozen, self.node.vm_name, [])

    def prop_childSnapshot(self) -> list[Ref]:
        children = self.machine.snapshots.children(self.moid)
        return [vim.vm.Snapshot(node.moid) for node in children]

    @task_method("RemoveSnapshot_Task")
    async def remove(self, call: Call, args: Any, task: TaskRun) -> None:
        """Remove the snapshot; what changed since is kept."""
        machine = self.machine
        doomed = machine.snapshots.subtree(self.moid) if args.removeChildren else [self.node]
        async with machine.busy:
            await remove_nodes(machine, [node.moid for node in doomed])

    @task_method("RevertToSnapshot_Task")
    async def revert(self, call: Call, args: Any, task: TaskRun) -> None:
        """Bring the machine back to the snapshot; it is off afterwards."""
        machine = self.machine
        async with machine.busy:
            await revert_to(machine, self.node)

    @soap_method("RenameSnapshot")
    def rename(self, call: Call, args: Any) -> None:
        """Change name or description."""
        node = self.node
        if args.name:
            node.name = args.name
        if args.description is not None:
            node.description = args.description
        self.machine.changed("snapshot")


@extend("VirtualMachine", "CreateSnapshot_Task", task=True)
@locked
async def create_snapshot(machine: VirtualMachine, call: Call, args: Any, task: TaskRun) -> Ref:
    """Keep the machine's present state and disks. Memory is never kept."""
    return await take(machine, args.name, args.description, bool(args.quiesce))


async def take(machine: VirtualMachine, name: str, description: str, quiesced: bool) -> Ref:
    """Take a snapshot; returns its reference."""
    machine.require_no_template()
    if not name:
        raise faults.invalid_argument("name")
    center, state = machine.center, machine.state
    context = await editing.context(machine)
    frozen = VmState.load(state.save())
    plan = snapshot_disks.plan_freeze(state.devices, context.taken)
    done = await blocking(snapshot_disks.freeze, files_of(center), plan)
    state.devices, frozen.devices = snapshot_disks.after_freeze(state.devices, done)
    moid = center.registry.new_moid(Snapshot.moid_prefix)
    number = max((node.number for node in machine.snapshots), default=0) + 1
    node = Node(
        moid=moid,
        number=number,
        name=name,
        description=description or "",
        created=center.now(),
        quiesced=quiesced,
        parent=machine.snapshots.current,
        frozen=frozen,
        vm_name=machine.name,
    )
    machine.snapshots.add(node)
    machine.restore_snapshots()
    await _changed(machine)
    return vim.vm.Snapshot(moid)


@extend("VirtualMachine", "CreateSnapshotEx_Task", task=True)
@locked
async def create_snapshot_ex(machine: VirtualMachine, call: Call, args: Any, task: TaskRun) -> Ref:
    """The same, with a description of how to quiesce."""
    return await take(machine, args.name, args.description, args.quiesceSpec is not None)


@extend("VirtualMachine", "RemoveAllSnapshots_Task", task=True)
@locked
async def remove_all(machine: VirtualMachine, call: Call, args: Any, task: TaskRun) -> None:
    """Remove all snapshots; the machine stays as it is."""
    tree = machine.snapshots
    order = [node.moid for root in tree.children(None) for node in tree.subtree(root.moid)]
    await remove_nodes(machine, order)


@extend("VirtualMachine", "RevertToCurrentSnapshot_Task", task=True)
@locked
async def revert_to_current(machine: VirtualMachine, call: Call, args: Any, task: TaskRun) -> None:
    """Bring the machine back to its current snapshot."""
    current = machine.snapshots.current
    if current is None:
        raise vim.fault.NotFound(msg="The virtual machine has no snapshot.")
    await revert_to(machine, machine.snapshots.nodes[current])


@extend("VirtualMachine", "ConsolidateVMDisks_Task", task=True)
@locked
async def consolidate(machine: VirtualMachine, call: Call, args: Any, task: TaskRun) -> None:
    """Nothing to do: removed snapshots leave no disks."""


async def remove_nodes(machine: VirtualMachine, moids: list[str]) -> None:
    """Remove snapshots, one after the other."""
    for moid in moids:
        if moid not in machine.snapshots.nodes:
            continue
        node = machine.snapshots.remove(moid)
        files, others = files_of(machine.center), list(machine.snapshots)
        work = await blocking(snapshot_disks.release, files, node, others, tuple(machine.state.devices))
        machine.state.devices = snapshot_disks.rewritten(machine.state.devices, work)
        for other in others:
            other.frozen.devices = snapshot_disks.rewritten(other.frozen.devices, work)
        obj = machine.center.registry.get(moid)
        if obj is not None:
            machine.center.registry.remove(obj)
        await _changed(machine)
        machine.center.commit()


async def revert_to(machine: VirtualMachine, node: Node) -> None:
    """Bring the machine back to ``node``: configuration and disks; it is off afterwards."""
    if machine.power_state != POWERED_OFF:
        await vm_power.stop(machine)
    context = await editing.context(machine)
    kept = {file_name(d) for n in machine.snapshots for d in snapshot_disks.disks_of(n)}
    plan = snapshot_disks.plan_revert(machine.state.devices, node, kept, context.taken)
    done = await blocking(snapshot_disks.revert, files_of(machine.center), plan)
    hardware = copy.copy(node.frozen.hardware)
    hardware.folder, hardware.vmx = machine.state.hardware.folder, machine.state.hardware.vmx
    hardware.change_version = machine.state.hardware.change_version
    machine.state.hardware = hardware
    machine.state.extra = dict(node.frozen.extra)
    machine.state.settings = copy.deepcopy(node.frozen.settings)
    machine.state.devices = snapshot_disks.after_revert(node, done)
    networks.release(machine.state.devices)
    networks.bind(machine.center, machine.moid, machine.state.devices)
    machine.snapshots.current = node.moid
    await _changed(machine)


async def _changed(machine: VirtualMachine) -> None:
    for node in machine.snapshots:
        obj = machine.center.registry.get(node.moid)
        if obj is not None:
            obj.notify("childSnapshot", "config")
    machine.state_changed("snapshot", "rootSnapshot", "config", "summary", "layoutEx", "storage", "datastore")
    await editing.written(machine)
