"""Which virtual machines use a disk, and telling them when its file has changed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from viaduct_lab.storage.paths import DatastorePath
from viaduct_lab.vcenter.core.types import vim
from viaduct_lab.vcenter.vm import layout
from viaduct_lab.vcenter.vm.disk_work import fill
from viaduct_lab.vcenter.vm.snapshot_tree import file_name
from viaduct_lab.vcenter.vm.state import POWERED_OFF
from viaduct_lab.vcenter.vm.storage_service import blocking, files_of

if TYPE_CHECKING:
    from viaduct_lab.vcenter.core.center import VCenter
    from viaduct_lab.vcenter.kinds.virtual_machine import VirtualMachine


def users(center: VCenter, path: DatastorePath) -> Iterator[tuple[VirtualMachine, Any]]:
    """The machines that use the disk, each with its VirtualDisk."""
    from viaduct_lab.vcenter.kinds.virtual_machine import VirtualMachine

    for machine in center.registry.of_kind(VirtualMachine):
        for disk in layout.disks(machine.state.devices):
            if DatastorePath.parse(file_name(disk)) == path:
                yield machine, disk


def refuse_if_running(center: VCenter, path: DatastorePath) -> None:
    """Raise ``FileLocked`` when a machine that is not powered off uses the disk."""
    for machine, _ in users(center, path):
        if machine.power_state != POWERED_OFF:
            raise vim.fault.FileLocked(
                file=str(path),
                msg=f"Unable to access file {path} since it is locked by '{machine.name}'.",
            )


async def disk_changed(center: VCenter, path: DatastorePath) -> None:
    """Show the file's new size and uuid in the machines that use it."""
    info = await blocking(files_of(center).disks.info, path)
    for machine, disk in users(center, path):
        fill(disk, info, disk.backing.datastore)
        machine.state_changed("config", "summary", "layoutEx", "storage")
