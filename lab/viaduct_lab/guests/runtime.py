"""What the simulated vCenter asks of whatever runs its powered-on VMs."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol


class GuestError(Exception):
    """A guest could not be started, stopped or changed; the text says why."""


@dataclass(frozen=True)
class GuestNic:
    """A virtual network adapter as the fabric sees it.

    ``index`` counts from 0 in device order (``eth0`` ...); ``switch`` is the distributed switch's
    name, ``vlan`` its access VLAN (0: untagged), ``trunk`` an uplink of all VLANs;
    ``connected`` is the link state.
    """

    index: int
    mac: str
    switch: str
    vlan: int
    trunk: bool
    connected: bool


@dataclass(frozen=True)
class GuestSpec:
    """A VM about to run as a guest.

    ``vm_id``: stable, unique in the lab, safe in file names (the moid, ``vm-123``). ``layers``: the
    read-only root file system layers, bottom to top; ``upper`` and ``work``: overlay directories that belong
    to this VM. ``console``: file that gets the console's output, or None. ``guestinfo``: keys
    without the ``guestinfo.`` prefix.
    """

    vm_id: str
    name: str
    bios_uuid: str
    cpus: int
    memory_mb: int
    layers: tuple[Path, ...]
    upper: Path
    work: Path
    console: Path | None
    nics: tuple[GuestNic, ...]
    guestinfo: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class GuestStatus:
    """What is known of a guest now.

    ``state``: ``running``, ``suspended`` or ``off``. ``tools_running``: init has reached
    a state in which open-vm-tools would answer. ``hostname`` as the guest set it; ``addresses``: MAC -> IP
    addresses with prefix length (``10.0.0.5/24``). ``guestinfo``: what the guest has set with
    ``info-set`` since it was powered on.
    """

    state: str
    tools_running: bool = False
    hostname: str = ""
    addresses: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    guestinfo: Mapping[str, str] = field(default_factory=dict)


class GuestRuntime(Protocol):
    """Runs guests. Methods may block for some seconds: call them off the event loop.

    All are idempotent; they raise :class:`GuestError`.
    """

    def start(self, spec: GuestSpec) -> None:
        """Power on. Returns when the guest's init runs (not when it has booted)."""

    def stop(self, vm_id: str) -> None:
        """Power off at once."""

    def shutdown(self, vm_id: str) -> None:
        """Ask the guest to shut down; returns at once."""

    def reboot(self, vm_id: str) -> None:
        """Ask the guest to reboot; returns at once."""

    def reset(self, vm_id: str) -> None:
        """Hard reset."""

    def suspend(self, vm_id: str) -> None:
        """Freeze the guest with its memory."""

    def resume(self, vm_id: str) -> None:
        """Thaw a suspended guest."""

    def connect(self, vm_id: str, nics: tuple[GuestNic, ...]) -> None:
        """Make a running guest's adapters as described (added, removed, moved, link up or down)."""

    def set_guestinfo(self, vm_id: str, guestinfo: Mapping[str, str], news: Collection[str]) -> None:
        """Replace what ``info-get`` answers.

        What the guest has set itself goes before ``guestinfo``, but for the keys in ``news``.
        """

    def status(self, vm_id: str) -> GuestStatus:
        """The guest's present state; ``off`` when it is unknown."""

    def forget(self, vm_id: str) -> None:
        """The VM is gone for good: end its guest if it runs, and clear all that is kept of it."""

    def kept(self) -> tuple[str, ...]:
        """Ids of all guests of which something is kept, running or not."""

    def adopt(self) -> tuple[str, ...]:
        """Ids of guests that still run from an earlier vCenter process; clears what is dead."""

    def watch(self, changed: Callable[[str], None]) -> None:
        """Call ``changed(vm_id)``, from any thread, whenever a guest's status may have changed."""

    def close(self) -> None:
        """Stop watching. Guests go on running."""
