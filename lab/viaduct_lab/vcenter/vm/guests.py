"""Virtual machines that really run: those with a system disk, through the lab's guest runtime."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from viaduct_lab.guests.runtime import GuestError, GuestNic, GuestRuntime, GuestSpec, GuestStatus
from viaduct_lab.storage import system
from viaduct_lab.storage.errors import StorageError
from viaduct_lab.storage.files import Files
from viaduct_lab.storage.paths import DatastorePath
from viaduct_lab.vcenter.core.types import vim
from viaduct_lab.vcenter.vm import layout
from viaduct_lab.vcenter.vm.snapshot_tree import file_name
from viaduct_lab.vcenter.vm.state import VmState
from viaduct_lab.vcenter.vm.storage_service import files_of

if TYPE_CHECKING:
    from viaduct_lab.vcenter.core.center import VCenter

_d = vim.vm.device
GUESTINFO = "guestinfo."


def runtime_of(center: VCenter) -> GuestRuntime | None:
    """The runtime of this lab; None when all machines are simulated only."""
    found: GuestRuntime | None = center.services.get("runtime")
    return found


def make_runtime(center: VCenter) -> None:
    """Make the runtime that the configuration names, unless there is one. Raises ``ValueError``."""
    if "runtime" in center.services or center.config.runtime == "none":
        return
    if center.config.runtime != "nspawn":
        raise ValueError(f"runtime {center.config.runtime!r} is neither 'nspawn' nor 'none'")
    from viaduct_lab.guests.nspawn import NspawnRuntime

    center.services["runtime"] = NspawnRuntime(center.config)


async def call(center: VCenter, method: str, *arguments: Any) -> Any:
    """Run a method of the runtime in a thread; its errors become faults.

    Without a runtime nothing happens (None).
    """
    runtime = runtime_of(center)
    if runtime is None:
        return None
    try:
        return await asyncio.to_thread(getattr(runtime, method), *arguments)
    except GuestError as error:
        raise vim.fault.GenericVmConfigFault(reason=str(error), msg=str(error)) from error


def system_disk(files: Files, state: VmState) -> system.SystemDisk | None:
    """The machine's system disk, if it has one; blocks."""
    for disk in layout.disks(state.devices):
        try:
            folder = files.disks.system_folder(DatastorePath.parse(file_name(disk)))
        except StorageError:
            continue
        if folder is not None:
            return system.read(folder)
    return None


def guestinfo(extra: Mapping[str, str]) -> dict[str, str]:
    """The ``guestinfo.*`` keys of extraConfig, without the prefix."""
    return {k[len(GUESTINFO) :]: v for k, v in extra.items() if k.startswith(GUESTINFO)}


def console(files: Files, state: VmState) -> Path | None:
    """The real file that the first serial port with a file backing writes to."""
    for device in state.devices:
        backing = device.backing
        if isinstance(device, _d.VirtualSerialPort) and isinstance(
            backing, _d.VirtualSerialPort.FileBackingInfo
        ):
            return files.stores.local(DatastorePath.parse(backing.fileName))
    return None


def spec(
    center: VCenter, vm_id: str, name: str, state: VmState, nics: tuple[GuestNic, ...]
) -> GuestSpec | None:
    """What the runtime is to start; None for a machine without a system disk. Blocks."""
    files = files_of(center)
    disk = system_disk(files, state)
    if disk is None:
        return None
    log = console(files, state)
    if log is not None:
        log.parent.mkdir(parents=True, exist_ok=True)
    return GuestSpec(
        vm_id=vm_id,
        name=name,
        bios_uuid=state.hardware.uuid,
        cpus=state.hardware.cpus,
        memory_mb=state.hardware.memory_mb,
        layers=disk.layers,
        upper=disk.upper,
        work=disk.work,
        console=log,
        nics=nics,
        guestinfo=guestinfo(state.extra),
    )


def apply_status(state: VmState, status: GuestStatus) -> tuple[bool, bool]:
    """Take over what a running guest says of itself: (guest info changed, configuration changed)."""
    guest = state.guest
    before = (guest.tools_running, guest.hostname, guest.addresses)
    guest.tools_running = status.tools_running
    guest.hostname = status.hostname
    guest.addresses = {mac.lower(): tuple(each) for mac, each in status.addresses.items()}
    known, guest.guestinfo = guest.guestinfo, {GUESTINFO + k: v for k, v in status.guestinfo.items()}
    return before != (guest.tools_running, guest.hostname, guest.addresses), known != guest.guestinfo
