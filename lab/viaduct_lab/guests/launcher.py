"""The process that keeps one guest running: ``python -m viaduct_lab.guests.launcher FOLDER STATUS_FD``.

It outlives the vCenter. SIGTERM switches the guest off, SIGHUP resets it. Whatever ends this process ends the
guest with it: the kernel then takes processes, mounts and network namespace away.

How the guest ended is recorded. A SIGTERM may be the machine's own shutdown, after which the guest counts as
lost and is switched on again; who asks for a power-off by it records that afterwards.
"""

from __future__ import annotations

import ctypes
import os
import select
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from viaduct_lab.fabric import Attachment, Fabric, FabricError
from viaduct_lab.guests import boot, cgroups
from viaduct_lab.guests.console import open_console
from viaduct_lab.guests.directory import TERMINATED, BootRecord, ExitRecord, GuestDirectory
from viaduct_lab.guests.guestinfo import Guestinfo
from viaduct_lab.guests.runtime import GuestNic, GuestSpec
from viaduct_lab.host import processes

_SIGNALS = (signal.SIGCHLD, signal.SIGTERM, signal.SIGHUP)
_MOUNT_SECONDS = 20.0
_INIT_SECONDS = 20.0
_SET_PARENT_DEATH_SIGNAL = 1


class BootError(Exception):
    """A boot failed before the guest's init ran."""


@dataclass(frozen=True)
class Launch:
    """What the runtime tells a launcher beside the guest's own description."""

    lab_id: str
    fabric_directory: Path


def launcher_command(directory: GuestDirectory, launch: Launch, status_fd: int) -> tuple[str, ...]:
    """The command line of a launcher."""
    arguments = (str(directory.path), launch.lab_id, str(launch.fabric_directory), str(status_fd))
    return (sys.executable, "-m", "viaduct_lab.guests.launcher", *arguments)


def main(arguments: list[str]) -> int:
    """Boot the guest until it is switched off; 0 when that was in order."""
    folder, lab_id, fabric_directory, status_fd = arguments
    signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
    directory = GuestDirectory(Path(folder))
    fabric = Fabric(lab_id, Path(fabric_directory))
    launcher = _Launcher(directory, fabric, lab_id, int(status_fd))
    try:
        record = launcher.run()
    except (BootError, FabricError, OSError) as error:
        launcher.tell(f"failed: {error}")
        record = ExitRecord("failed", 1)
        print(error, file=sys.stderr, flush=True)
    launcher.clear()
    directory.save_exit(record)
    return 0 if record.reason in ("power-off", TERMINATED) else 1


class _Launcher:
    def __init__(self, directory: GuestDirectory, fabric: Fabric, lab_id: str, status_fd: int) -> None:
        self._directory = directory
        self._fabric = fabric
        self._status_fd: int | None = status_fd
        self._spec: GuestSpec = directory.spec()
        self._guestinfo = Guestinfo(directory.shared)
        self._child: subprocess.Popen[bytes] | None = None
        limits = cgroups.Limits(self._spec.memory_mb << 20, self._spec.cpus)
        layout, parent = own_place(f"viaduct-{lab_id}")
        self._cgroups = cgroups.create(layout, parent, self._spec.vm_id, limits)

    def run(self) -> ExitRecord:
        """Boot again and again until the guest is off."""
        number = 0
        while True:
            number += 1
            self._boot(number)
            self.tell("up")
            ended = self._wait()
            self._directory.clear_boot()
            cgroups.kill(self._cgroups)
            print(f"boot {number} ended: {ended}", flush=True)
            if ended == TERMINATED:
                return ExitRecord(TERMINATED)
            if ended not in ("reset", boot.REBOOT_STATUS):
                return ExitRecord("power-off" if ended == 0 else "failed", int(ended))

    def tell(self, text: str) -> None:
        """Tell who started us how it went, once."""
        if self._status_fd is not None:
            os.write(self._status_fd, f"{text}\n".encode())
            os.close(self._status_fd)
            self._status_fd = None

    def clear(self) -> None:
        """Leave nothing behind."""
        self._kill_child()
        self._directory.clear_boot()
        cgroups.kill(self._cgroups)
        cgroups.remove(self._cgroups)
        self._fabric.unplug(self._spec.vm_id, tuple(nic.index for nic in self._directory.nics()))

    def _boot(self, number: int) -> None:
        spec = self._spec
        self._guestinfo.new_boot()
        container = boot.Container(
            vm_id=spec.vm_id,
            uuid=spec.bios_uuid,
            root=self._directory.root,
            binds=self._guestinfo.binds(),
            init_arguments=self._guestinfo.init_arguments(),
        )
        command = boot.boot_command(container, len(spec.layers), self._cgroups)
        console = open_console(spec.console or self._directory.path / "console.log", spec.name, number)
        try:
            child = subprocess.Popen(
                command,
                cwd=self._directory.path,
                env=boot.ENVIRONMENT,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=console,
                preexec_fn=_die_with_parent,
            )
        finally:
            os.close(console)
        self._child = child
        supervisor = self._await_namespaces(child)
        with processes.exclusive(self._directory.nics_lock, 30):
            for nic in self._directory.nics():
                plug(self._fabric, spec.vm_id, nic, supervisor)
        assert child.stdin is not None
        child.stdin.write(b"go\n")
        child.stdin.close()
        init = self._await_init(child, supervisor)
        self._directory.save_boot(BootRecord(number, supervisor, init, self._cgroups))

    def _await_namespaces(self, child: subprocess.Popen[bytes]) -> int:
        assert child.stdout is not None
        readable, _, _ = select.select([child.stdout], [], [], _MOUNT_SECONDS)
        line = child.stdout.readline() if readable else b""
        found = processes.children(child.pid)
        if line.strip() != b"ready" or not found:
            raise BootError("the guest's file system could not be mounted: see its console")
        return found[0]

    def _await_init(self, child: subprocess.Popen[bytes], supervisor: int) -> int:
        deadline = time.monotonic() + _INIT_SECONDS
        while time.monotonic() < deadline:
            for pid in processes.children(supervisor):
                if is_init(pid, supervisor):
                    return pid
            if child.poll() is not None:
                raise BootError(
                    f"the guest's container ended at once (status {child.returncode}): see its console"
                )
            time.sleep(0.01)
        raise BootError(f"the guest's init did not start within {_INIT_SECONDS:.0f} s")

    def _wait(self) -> str | int:
        assert self._child is not None
        while True:
            status = self._child.poll()
            if status is not None:
                return status
            number = signal.sigwait(_SIGNALS)
            if number in (signal.SIGTERM, signal.SIGHUP):
                self._kill_child()
                return TERMINATED if number == signal.SIGTERM else "reset"

    def _kill_child(self) -> None:
        if self._child is not None and self._child.poll() is None:
            self._child.kill()
            if cgroups.is_frozen(self._cgroups):
                cgroups.thaw(self._cgroups)
            self._child.wait(10)


def plug(fabric: Fabric, vm_id: str, nic: GuestNic, pid: int) -> None:
    """Plug ``nic`` into the network namespace of process ``pid``."""
    fabric.plug(vm_id, nic.index, nic.mac, attachment(nic), pid, up=nic.connected)


def attachment(nic: GuestNic) -> Attachment:
    """How ``nic`` joins the fabric."""
    return Attachment(nic.switch, nic.vlan, nic.trunk)


def is_init(pid: int, supervisor: int) -> bool:
    """Whether ``pid`` is the pid 1 of a namespace below that of ``supervisor``."""
    try:
        inner, outer = _namespace_pids(pid), _namespace_pids(supervisor)
    except OSError:
        return False
    return len(inner) > len(outer) and inner[-1] == "1"


def own_place(lab_group: str) -> tuple[cgroups.Layout, str]:
    """Layout, and the group under which this launcher makes its guest's.

    Where systemd runs the machine on cgroup v2, the launcher has been given a scope with delegation: the
    guest's group goes inside it, and the launcher makes room by moving to a group beside.
    """
    layout = cgroups.machine_layout()
    scope = delegated_scope(layout, Path("/proc/self/cgroup").read_text(), lab_group)
    if scope is None:
        return layout, lab_group
    aside = layout.mounts[""] / scope / "launcher"
    aside.mkdir(exist_ok=True)
    (aside / "cgroup.procs").write_text("0")
    return layout, scope


def delegated_scope(layout: cgroups.Layout, own: str, lab_group: str) -> str | None:
    """The scope that systemd gave this launcher, from the text of ``/proc/self/cgroup``; None without one."""
    path = own.strip().removeprefix("0::/")
    unit = path.rpartition("/")[2]
    return path if layout.unified and unit.startswith(f"{lab_group}-") and unit.endswith(".scope") else None


def _namespace_pids(pid: int) -> list[str]:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("NSpid:"):
            return line.split()[1:]
    return []


def _die_with_parent() -> None:
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    ctypes.CDLL(None).prctl(_SET_PARENT_DEATH_SIGNAL, signal.SIGKILL)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
