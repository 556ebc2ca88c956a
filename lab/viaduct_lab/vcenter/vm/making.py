"""What creating, cloning, importing and registering machines share: the way into the inventory."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from viaduct_lab.storage.paths import DatastorePath
from viaduct_lab.vcenter.core import faults
from viaduct_lab.vcenter.core.managed_entity import ManagedEntity
from viaduct_lab.vcenter.core.types import Ref, vim
from viaduct_lab.vcenter.kinds.datastore import datastore_named
from viaduct_lab.vcenter.kinds.folder import Folder
from viaduct_lab.vcenter.kinds.host_system import HostSystem
from viaduct_lab.vcenter.kinds.resource_pool import ResourcePool
from viaduct_lab.vcenter.vm import editing, networks, placing
from viaduct_lab.vcenter.vm.storage_service import blocking, files_of, parse_path

if TYPE_CHECKING:
    from viaduct_lab.vcenter.core.center import VCenter
    from viaduct_lab.vcenter.kinds.virtual_machine import VirtualMachine

_UNFINISHED = "unfinished_machines"


@dataclass(frozen=True)
class Home:
    """Where a new machine's files go. ``made``: the folder was made for it."""

    folder: DatastorePath
    vmx: str
    made: bool


def require_vm_folder(folder: ManagedEntity) -> Folder:
    """The folder, if machines may lie in it. Raises ``NotSupported``."""
    if not isinstance(folder, Folder) or folder.content != "vm":
        raise faults.not_supported("A virtual machine can only lie in a virtual machine folder.")
    return folder


def pool_of(center: VCenter, ref: Ref | None, name: str = "pool") -> ResourcePool:
    """The resource pool that a client named. Raises ``InvalidArgument`` without one."""
    if ref is None:
        raise faults.invalid_argument(name)
    return center.registry.find(ref, ResourcePool)


def host_for(
    center: VCenter, pool: ResourcePool, wanted: Ref | None, datastores: frozenset[str]
) -> HostSystem:
    """The host for a new machine: the wanted one if it will do, else the best of the cluster."""
    if wanted is None:
        return placing.place(center, pool.owner, datastores)
    host = center.registry.find(wanted, HostSystem)
    if host.parent is not pool.owner:
        raise faults.invalid_argument("host", "The host and the resource pool do not belong together.")
    placing.require_mounts(host, datastores)
    return host


def datastore_moids(center: VCenter, paths: list[DatastorePath]) -> frozenset[str]:
    """The datastores of ``paths``. Raises ``InvalidDatastore``."""
    return frozenset(datastore_named(center, path.datastore).moid for path in paths)


async def make_home(center: VCenter, name: str, wanted: str | None) -> Home:
    """Make the folder of a new machine: ``[ds]``, ``[ds] folder`` or ``[ds] folder/x.vmx``."""
    if not wanted:
        raise faults.invalid_argument("config.files.vmPathName")
    path = parse_path(wanted, "config.files.vmPathName")
    datastore_named(center, path.datastore)
    files = files_of(center)
    if not path.path:
        folder = await blocking(files.unused_folder, path.datastore, name)
        return Home(folder, f"{folder.name}.vmx", True)
    folder, vmx = (path.parent, path.name) if path.name.endswith(".vmx") else (path, "")
    vmx = vmx or f"{folder.name}.vmx"
    if await blocking(files.exists, folder / vmx):
        raise vim.fault.FileAlreadyExists(
            file=str(folder / vmx), msg=f"The file {folder / vmx} already exists."
        )
    made = not await blocking(files.exists, folder)
    if made:
        await blocking(files.make_folder, folder, parents=True)
    return Home(folder, vmx, made)


@asynccontextmanager
async def cleared(center: VCenter, home: Home) -> AsyncIterator[None]:
    """If the block fails, remove the folder that was made for the machine.

    If vCenter dies in the block, its next start removes it (:func:`remove_unfinished`).
    """
    if home.made:
        note_unfinished(center, home.folder, True)
    try:
        yield
    except BaseException:
        if home.made:
            await blocking(_remove, center, home.folder)
        raise
    finally:
        if home.made:
            note_unfinished(center, home.folder, False)


def note_unfinished(center: VCenter, folder: DatastorePath, unfinished: bool) -> None:
    """Remember, beyond the death of vCenter, that a folder belongs to a machine being made (or no more)."""
    known = json.loads(center.store.meta(_UNFINISHED) or "[]")
    names = [name for name in known if name != str(folder)]
    if unfinished:
        names.append(str(folder))
    center.store.set_meta(_UNFINISHED, json.dumps(names))
    center.commit()


async def remove_unfinished(center: VCenter) -> None:
    """Remove the folders of machines that were being made when vCenter died."""
    from viaduct_lab.vcenter.kinds.virtual_machine import VirtualMachine

    owned = {str(machine.folder) for machine in center.registry.of_kind(VirtualMachine)}
    for name in json.loads(center.store.meta(_UNFINISHED) or "[]"):
        if name not in owned:
            await blocking(_remove, center, DatastorePath.parse(name))
    center.store.set_meta(_UNFINISHED, "[]")


def _remove(center: VCenter, folder: DatastorePath) -> None:
    files = files_of(center)
    if files.exists(folder):
        files.delete(folder)


async def enlist(machine: VirtualMachine, host: HostSystem, pool: ResourcePool | None) -> None:
    """Put a finished machine into the inventory. Raises ``DuplicateName`` if its name was taken meanwhile."""
    parent = machine.parent
    if parent is None or machine.center.registry.get(parent.moid) is not parent:
        raise faults.not_found(vim.Folder(machine.parent_moid or ""))
    machine.center.naming.checked(None, machine.prop_name(), parent=parent)
    machine.host_moid = host.moid
    machine.pool_moid = pool.moid if pool is not None else None
    networks.bind(machine.center, machine.moid, machine.state.devices)
    machine.center.registry.add(machine)
    machine.relate()
    try:
        await editing.written(machine)
    except BaseException:
        machine.center.registry.remove(machine)
        raise


def event_argument(machine: ManagedEntity) -> Any:
    """A VmEventArgument."""
    return vim.event.VmEventArgument(name=machine.name, vm=machine.ref)
