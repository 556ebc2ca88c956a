"""Guests by systemd-nspawn on an overlay of the appliance: the runtime that the vCenter process uses."""

from __future__ import annotations

import contextlib
import os
import secrets
import select
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Collection, Mapping
from pathlib import Path

import viaduct_lab
from viaduct_lab.config import VCenterConfig
from viaduct_lab.fabric import Fabric, FabricError
from viaduct_lab.guests import addresses, cgroups
from viaduct_lab.guests.console import tail
from viaduct_lab.guests.directory import ExitRecord, GuestDirectory
from viaduct_lab.guests.guestinfo import Guestinfo, GuestinfoError
from viaduct_lab.guests.launcher import Launch, attachment, launcher_command, plug
from viaduct_lab.guests.runtime import GuestError, GuestNic, GuestSpec, GuestStatus
from viaduct_lab.guests.watcher import Watcher
from viaduct_lab.host import processes

_START_SECONDS = 60.0
_STOP_SECONDS = 15.0
_ADDRESSES_SECONDS = 1.0
_DEATH_SECONDS = 2.0
_POWER_OFF = signal.SIGRTMIN + 4
_REBOOT = signal.SIGRTMIN + 5


class NspawnRuntime:
    """Implements :class:`viaduct_lab.guests.runtime.GuestRuntime`; see there for the methods."""

    def __init__(self, config: VCenterConfig) -> None:
        if config.lab_dir is None or not config.lab_id:
            raise GuestError("guests need a lab: lab_id and lab_dir are missing from the vCenter's settings")
        self._guests = config.lab_dir / "guests"
        self._guests.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._launch = Launch(config.lab_id, config.lab_dir / "fabric")
        self._group = f"viaduct-{config.lab_id}"
        self._fabric = Fabric(config.lab_id, self._launch.fabric_directory)
        self._launchers: dict[str, subprocess.Popen[bytes]] = {}
        self._addresses: dict[str, tuple[float, int, str, dict[str, tuple[str, ...]]]] = {}
        self._locks: dict[str, threading.RLock] = {}
        self._locks_lock = threading.Lock()
        self._dead: dict[str, float] = {}
        self._watcher = Watcher(self._guests, self._ended)

    # Power

    def start(self, spec: GuestSpec) -> None:
        directory = self._directory(spec.vm_id)
        with self._locked(spec.vm_id):
            if processes.is_held(directory.lock):
                return
            self._end(directory, ExitRecord("died"))
            _require(spec)
            directory.prepare()
            try:
                Guestinfo(directory.shared).prepare(spec.guestinfo)
            except GuestinfoError as error:
                raise GuestError(str(error)) from error
            directory.save_spec(spec)
            _link_layers(directory, spec)
            self._spawn(directory)
        self._watcher.wake()

    def stop(self, vm_id: str) -> None:
        directory = self._directory(vm_id)
        with self._locked(vm_id):
            if processes.is_held(directory.lock) and not processes.end(directory.lock, grace=_STOP_SECONDS):
                raise GuestError(f"{vm_id}: its launcher does not end")
            self._end(directory, ExitRecord("stopped"))
        self._watcher.wake()

    def forget(self, vm_id: str) -> None:
        directory = self._directory(vm_id)
        with self._locked(vm_id):
            if not directory.path.exists():
                return
            self.stop(vm_id)
            try:
                shutil.rmtree(directory.path)
            except OSError as error:
                raise GuestError(f"{vm_id}: {error}") from error
        self._watcher.wake()

    def shutdown(self, vm_id: str) -> None:
        self._signal_init(vm_id, _POWER_OFF)

    def reboot(self, vm_id: str) -> None:
        self._signal_init(vm_id, _REBOOT)

    def reset(self, vm_id: str) -> None:
        if not processes.send(self._directory(vm_id).lock, signal.SIGHUP):
            raise GuestError(f"{vm_id} is not powered on")
        self._watcher.wake()

    def suspend(self, vm_id: str) -> None:
        with self._locked(vm_id):
            if not cgroups.freeze(self._groups(vm_id)):
                raise GuestError(
                    f"{vm_id} could not be frozen: the kernel has no freezer, or it took too long"
                )
            self._set_links(vm_id, up=False)
        self._watcher.wake()

    def resume(self, vm_id: str) -> None:
        with self._locked(vm_id):
            if not cgroups.thaw(self._groups(vm_id)):
                raise GuestError(f"{vm_id} could not be thawed")
            self._set_links(vm_id, up=True)
        self._watcher.wake()

    # Devices and guestinfo

    def connect(self, vm_id: str, nics: tuple[GuestNic, ...]) -> None:
        directory = self._directory(vm_id)
        if not processes.is_held(directory.lock):
            return
        with self._locked(vm_id):
            try:
                with processes.exclusive(directory.nics_lock, 30):
                    self._connect(directory, nics)
            except (FabricError, processes.LockHeldError) as error:
                raise GuestError(f"{vm_id}: adapters: {error}") from error
        self._addresses.pop(vm_id, None)
        self._watcher.wake()

    def set_guestinfo(self, vm_id: str, guestinfo: Mapping[str, str], news: Collection[str]) -> None:
        directory = self._directory(vm_id)
        if not processes.is_held(directory.lock):
            return
        with self._locked(vm_id):
            try:
                Guestinfo(directory.shared).replace(guestinfo, news)
            except GuestinfoError as error:
                raise GuestError(str(error)) from error

    # Knowledge

    def status(self, vm_id: str) -> GuestStatus:
        directory = self._directory(vm_id)
        guestinfo = Guestinfo(directory.shared)
        if not processes.is_held(directory.lock):
            return GuestStatus("off")
        boot = directory.boot()
        if boot is None:
            return GuestStatus("running", guestinfo=guestinfo.from_guest())
        frozen = cgroups.is_frozen(boot.cgroups)
        hostname, found = self._read_addresses(vm_id, boot.init)
        return GuestStatus(
            state="suspended" if frozen else "running",
            tools_running=not frozen and guestinfo.tools_running(),
            hostname=hostname,
            addresses=found,
            guestinfo=guestinfo.from_guest(),
        )

    def kept(self) -> tuple[str, ...]:
        return tuple(sorted(path.name for path in self._guests.iterdir() if path.is_dir()))

    def adopt(self) -> tuple[str, ...]:
        alive = []
        for vm_id in self.kept():
            if processes.is_held(self._directory(vm_id).lock):
                alive.append(vm_id)
            else:
                with self._locked(vm_id):
                    self._end(self._directory(vm_id), ExitRecord("died"))
        groups = cgroups.leftovers(cgroups.machine_layout(), self._group)
        for name, directories in groups.items():
            if name not in alive:
                cgroups.kill(directories)
                cgroups.remove(directories)
        self._watcher.wake()
        return tuple(alive)

    def watch(self, changed: Callable[[str], None]) -> None:
        self._watcher.start(changed)

    def close(self) -> None:
        self._watcher.close()

    # Inside

    def _directory(self, vm_id: str) -> GuestDirectory:
        if not vm_id or "/" in vm_id or vm_id.startswith("."):
            raise GuestError(f"{vm_id!r} cannot name a guest")
        return GuestDirectory(self._guests / vm_id)

    def _locked(self, vm_id: str) -> threading.RLock:
        with self._locks_lock:
            return self._locks.setdefault(vm_id, threading.RLock())

    def _spawn(self, directory: GuestDirectory) -> None:
        read_fd, write_fd = os.pipe()
        command = (
            *_scope(self._group, directory.vm_id),
            *launcher_command(directory, self._launch, write_fd),
        )
        package = Path(viaduct_lab.__file__).parent.parent
        path = os.pathsep.join(p for p in (str(package), os.environ.get("PYTHONPATH", "")) if p)
        try:
            self._launchers[directory.vm_id] = processes.spawn(
                directory.lock,
                command,
                directory.log,
                env={**os.environ, "PYTHONPATH": path},
                pass_fds=(write_fd,),
            )
        except (processes.LockHeldError, OSError) as error:
            os.close(read_fd)
            raise GuestError(f"{directory.vm_id}: its launcher could not be started: {error}") from error
        finally:
            os.close(write_fd)
        try:
            answer = _read_line(read_fd, _START_SECONDS)
        finally:
            os.close(read_fd)
        if answer != "up":
            console = directory.spec().console or directory.path / "console.log"
            self.stop(directory.vm_id)
            reason = answer.removeprefix("failed: ") or tail(directory.log) or "no answer from its launcher"
            raise GuestError(f"{directory.vm_id}: {reason}. Console ends: {tail(console, 300)!r}")

    def _signal_init(self, vm_id: str, number: int) -> None:
        directory = self._directory(vm_id)
        boot = directory.boot()
        if boot is None or not processes.is_held(directory.lock):
            raise GuestError(f"{vm_id} is not powered on")
        try:
            pidfd = os.pidfd_open(boot.init)
        except ProcessLookupError:
            return
        try:
            # Pinned: now look again that it is still this boot's.
            if directory.boot() == boot:
                signal.pidfd_send_signal(pidfd, number)
        except ProcessLookupError:
            pass
        finally:
            os.close(pidfd)

    def _groups(self, vm_id: str) -> tuple[str, ...]:
        directory = self._directory(vm_id)
        boot = directory.boot()
        if boot is None or not processes.is_held(directory.lock):
            raise GuestError(f"{vm_id} is not powered on")
        return boot.cgroups

    def _set_links(self, vm_id: str, *, up: bool) -> None:
        try:
            for nic in self._directory(vm_id).nics():
                self._fabric.set_link(vm_id, nic.index, up=up and nic.connected)
        except FabricError as error:
            raise GuestError(f"{vm_id}: {error}") from error

    def _connect(self, directory: GuestDirectory, nics: tuple[GuestNic, ...]) -> None:
        old = {nic.index: nic for nic in directory.nics()}
        new = {nic.index: nic for nic in nics}
        directory.save_nics(nics)
        boot = directory.boot()
        if boot is None:
            return  # between two boots: the next one plugs what is saved
        frozen = cgroups.is_frozen(boot.cgroups)
        gone = [i for i in old if i not in new or old[i].mac != new[i].mac]
        self._fabric.unplug(directory.vm_id, tuple(gone))
        for index, nic in new.items():
            if index not in old or index in gone:
                plug(self._fabric, directory.vm_id, nic, boot.supervisor)
            elif nic != old[index]:
                up = nic.connected and not frozen
                self._fabric.replug(directory.vm_id, index, attachment(nic), up=up)

    def _read_addresses(self, vm_id: str, init: int) -> tuple[str, dict[str, tuple[str, ...]]]:
        now = time.monotonic()
        known = self._addresses.get(vm_id)
        if known and known[1] == init and now - known[0] < _ADDRESSES_SECONDS:
            return known[2], known[3]
        hostname, found = addresses.read(init)
        self._addresses[vm_id] = (now, init, hostname, found)
        return hostname, found

    def _ended(self, vm_id: str) -> bool:
        """Clear what a launcher that is gone left. Whether it is also certain, and noted, how it ended.

        A launcher that was killed may be one of many: when the whole lab is, the vCenter goes a moment later,
        and must not have noted until then that this guest alone has died.
        """
        directory = self._directory(vm_id)
        with self._locked(vm_id):
            self._reap(vm_id)
            if (
                processes.is_held(directory.lock)
                or not directory.path.exists()
                or directory.exit() is not None
            ):
                self._dead.pop(vm_id, None)
                return True
            since = self._dead.setdefault(vm_id, time.monotonic())
            if time.monotonic() - since < _DEATH_SECONDS:
                self._clear(directory)
                return False
            self._end(directory, ExitRecord("died"))
            return True

    def _end(self, directory: GuestDirectory, record: ExitRecord) -> None:
        """The launcher is gone: clear what it left, and note ``record`` unless it has noted a meant end."""
        self._reap(directory.vm_id)
        self._dead.pop(directory.vm_id, None)
        known = directory.exit()
        if not directory.path.exists() or (known is not None and not known.unmeant):
            return
        if known is None:
            self._clear(directory)
        if (directory.path / "spec.json").exists():
            directory.save_exit(record)

    def _reap(self, vm_id: str) -> None:
        self._addresses.pop(vm_id, None)
        launcher = self._launchers.get(vm_id)
        if launcher is not None and launcher.poll() is not None:
            del self._launchers[vm_id]

    def _clear(self, directory: GuestDirectory) -> None:
        """Take away what a launcher that was killed could not."""
        vm_id = directory.vm_id
        directory.clear_boot()
        directories = cgroups.leftovers(cgroups.machine_layout(), self._group).get(vm_id, ())
        cgroups.kill(directories)
        cgroups.remove(directories)
        with contextlib.suppress(FabricError):  # the fabric itself may be gone, and the ports with it
            self._fabric.unplug(vm_id, tuple(nic.index for nic in directory.nics()))


def _require(spec: GuestSpec) -> None:
    for path in (*spec.layers, spec.upper, spec.work):
        if not path.is_dir():
            raise GuestError(f"{spec.vm_id}: {path} is missing: the disk's files are not complete")
    if not spec.layers:
        raise GuestError(f"{spec.vm_id}: its system disk names no layers")


def _link_layers(directory: GuestDirectory, spec: GuestSpec) -> None:
    shutil.rmtree(directory.layers)
    directory.layers.mkdir(mode=0o700)
    for number, layer in enumerate(spec.layers):
        (directory.layers / str(number)).symlink_to(layer.resolve())
    for name, target in (("u", spec.upper), ("w", spec.work)):
        link = directory.path / name
        link.unlink(missing_ok=True)
        link.symlink_to(target.resolve())


def _scope(group: str, vm_id: str) -> tuple[str, ...]:
    """Where systemd runs the machine, groups are asked of it, not made behind its back."""
    if not Path("/run/systemd/system").is_dir() or not cgroups.machine_layout().unified:
        return ()
    # A name of its own each time: systemd may not have forgotten the last one yet.
    unit = f"{group}-{vm_id}-{secrets.token_hex(3)}"
    return (
        "systemd-run",
        "--scope",
        "--quiet",
        "--collect",
        f"--unit={unit}",
        "--property=Delegate=yes",
        "--",
    )


def _read_line(descriptor: int, timeout: float) -> str:
    readable, _, _ = select.select([descriptor], [], [], timeout)
    return os.read(descriptor, 4096).decode(errors="replace").strip() if readable else ""
