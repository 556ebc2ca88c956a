"""Changing a virtual machine by a ConfigSpec: check, plan, do the files, then show the result."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from viaduct_lab.storage.files import Files
from viaduct_lab.storage.paths import DatastorePath
from viaduct_lab.vcenter.core.types import vim
from viaduct_lab.vcenter.kinds.datastore import Datastore, datastore_named
from viaduct_lab.vcenter.vm import (
    addresses,
    disk_work,
    guest_links,
    guests,
    layout,
    networks,
    settings,
    vmx,
)
from viaduct_lab.vcenter.vm.config_view import vmx_path
from viaduct_lab.vcenter.vm.disk_actions import ChildDisk, CreateDisk
from viaduct_lab.vcenter.vm.edits import Edit, EditContext, apply_changes
from viaduct_lab.vcenter.vm.state import POWERED_ON
from viaduct_lab.vcenter.vm.storage_service import blocking, files_of, parse_path

if TYPE_CHECKING:
    from viaduct_lab.vcenter.core.center import VCenter
    from viaduct_lab.vcenter.kinds.virtual_machine import VirtualMachine


async def plan(machine: VirtualMachine, spec: Any, devices: Sequence[Any] | None = None) -> Edit:
    """The device edit that ``spec`` asks for; nothing is changed yet.

    ``devices``: the list to start from (the machine's own one if None).
    """
    start = machine.state.devices if devices is None else devices
    for index, change in enumerate(spec.deviceChange):
        _check_files(machine, change, index)
    edit = apply_changes(start, spec.deviceChange, await context(machine))
    if edit.adapters_changed or devices is not None:
        networks.check(machine.center, edit.devices)
    for action in edit.actions:
        store = datastore_named(machine.center, action.path.datastore)
        if isinstance(action, CreateDisk) and not action.thin:
            store.require(action.capacity)
    return edit


async def context(machine: VirtualMachine) -> EditContext:
    """What edits of the machine's devices must know."""
    center, files = machine.center, files_of(machine.center)
    names = {store.moid: store.name for store in center.registry.of_kind(Datastore)}
    taken = await blocking(disk_files, files, machine.folder, tuple(names.values()))
    return EditContext(
        folder=machine.folder,
        stem=machine.state.hardware.vmx.rpartition(".")[0],
        taken=taken,
        datastore_names=names,
        powered_on=machine.power_state == POWERED_ON,
        snapshots=bool(machine.snapshots),
        new_mac=lambda: new_mac(center),
    )


def disk_files(files: Files, folder: DatastorePath, datastores: Sequence[str]) -> frozenset[DatastorePath]:
    """All ``.vmdk`` files in folders of that name, on any of the datastores; blocks."""
    found = set()
    for name in datastores:
        place = DatastorePath.of(name, folder.path)
        local = files.stores.local(place)
        if place.path and local.is_dir():
            found |= {place / child.name for child in local.glob("*.vmdk")}
    return frozenset(found)


def new_mac(center: VCenter) -> str:
    """A MAC address that no machine has."""
    from viaduct_lab.vcenter.kinds.virtual_machine import VirtualMachine

    machines = center.registry.of_kind(VirtualMachine)
    taken = {a.macAddress for m in machines for a in layout.adapters(m.state.devices)}
    return addresses.generate(taken)


def _check_files(machine: VirtualMachine, change: Any, index: int) -> None:
    """ISO images and serial port files must name a datastore that exists."""
    device = change.device
    cls = (vim.vm.device.VirtualCdrom, vim.vm.device.VirtualSerialPort)
    name = getattr(getattr(device, "backing", None), "fileName", None)
    if change.operation == "remove" or not isinstance(device, cls) or not name:
        return
    path = parse_path(name, f"deviceChange[{index}].device.backing.fileName")
    datastore_named(machine.center, path.datastore)
    is_image = isinstance(device, vim.vm.device.VirtualCdrom) and bool(path.path)
    if is_image and not files_of(machine.center).exists(path):
        raise vim.fault.FileNotFound(file=name, msg=f"File {name} was not found.")


async def reconfigure(machine: VirtualMachine, spec: Any) -> None:
    """Apply ``spec`` to a machine that is in the inventory. Raises faults; then nothing has changed."""
    settings.check(machine.state, spec)
    if spec.name:
        machine.center.naming.checked(machine, spec.name)
    edit = await plan(machine, spec)
    known = await blocking(disk_work.perform, files_of(machine.center), edit.actions)
    machine.require_alive()
    try:
        commit(machine, spec, edit, known)
    except BaseException:
        made = [action.path for action in edit.actions if isinstance(action, CreateDisk | ChildDisk)]
        await blocking(disk_work.discard, files_of(machine.center), made)
        raise
    machine.state_changed("config", "summary", "guest", "layoutEx", "storage", "network")
    machine.changed("datastore", "resourceConfig")
    if spec.name:
        machine.rename(spec.name)
    await written(machine)
    if edit.adapters_changed:
        await guest_links.reconnect(machine)
    await _tell_guest(machine, spec)


def commit(machine: VirtualMachine, spec: Any, edit: Edit, known: dict[int, Any]) -> None:
    """Take over a planned edit whose files are done, and take ports. Does not tell anyone."""
    if edit.adapters_changed:
        networks.bind(machine.center, machine.moid, edit.devices)
    machine.state.devices = edit.devices
    machine.complete_disks(known)
    settings.apply(machine.state, spec)
    for option in spec.extraConfig:
        # The last word counts: what the guest had set for this key is overwritten.
        machine.state.guest.guestinfo.pop(option.key, None)


async def _tell_guest(machine: VirtualMachine, spec: Any) -> None:
    """Let a running guest read the variables that ``spec`` has set."""
    news = guests.guestinfo({option.key: "" for option in spec.extraConfig})
    if machine.is_guest and news:
        present = guests.guestinfo(machine.state.extra)
        await guests.call(machine.center, "set_guestinfo", machine.moid, present, frozenset(news))


async def written(machine: VirtualMachine) -> None:
    """Write the configuration file and measure the machine's files."""
    files = files_of(machine.center)
    text = vmx.render(machine.name, machine.state)
    await blocking(_write, files, vmx_path(machine.state), text)
    await machine.measure()


def _write(files: Files, path: DatastorePath, text: str) -> None:
    local = files.stores.local(path)
    partial = local.with_name(f".{local.name}.part")
    partial.write_text(text)
    partial.rename(local)
