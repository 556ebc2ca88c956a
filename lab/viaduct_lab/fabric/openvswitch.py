"""Open vSwitch of one lab: its own database and switch daemon, userspace datapath, no kernel module."""

from __future__ import annotations

import json
import os
import signal
import socket
import time
from collections.abc import Mapping
from pathlib import Path

from viaduct_lab.fabric import netns
from viaduct_lab.fabric.ports import MTU, Attachment, vlan_settings
from viaduct_lab.host import processes
from viaduct_lab.host.commands import CommandError, run

_SCHEMA = Path("/usr/share/openvswitch/vswitch.ovsschema")
_READY_SECONDS = 15.0


class OpenVSwitch:
    """The two daemons under ``directory``, the switch itself in network namespace ``namespace``."""

    def __init__(self, directory: Path, namespace: str) -> None:
        self._directory = directory
        self._namespace = namespace
        self._database_lock = directory / "ovsdb.lock"
        self._switch_lock = directory / "vswitchd.lock"
        self._socket = directory / "db.sock"

    def running(self) -> bool:
        """Whether both daemons live."""
        return processes.is_held(self._database_lock) and processes.is_held(self._switch_lock)

    def start(self) -> None:
        """Start what does not run, on an empty database. Raises :class:`CommandError`."""
        if self.running():
            return
        self.stop()
        self._directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        database = self._directory / "conf.db"
        for stale in (database, self._socket, self._directory / ".conf.db.~lock~"):
            stale.unlink(missing_ok=True)
        run("ovsdb-tool", "create", str(database), str(_SCHEMA), env=self._environment())
        self._spawn_database(database)
        self._vsctl("--no-wait", "init")
        self._spawn_switch()
        self._vsctl("show")

    def stop(self) -> None:
        """End both daemons. The ports' interfaces go with the namespace or their other end."""
        processes.end(self._switch_lock, grace=3.0)
        processes.end(self._database_lock, grace=3.0)

    def ensure_bridge(self, bridge: str) -> None:
        """Have a bridge with the userspace datapath. Raises :class:`CommandError`."""
        self._vsctl("--may-exist", "add-br", bridge, "--", "set", "bridge", bridge, "datapath_type=netdev")

    def add_port(self, bridge: str, port: str, attachment: Attachment, *, internal: bool = False) -> None:
        """Have ``port`` on ``bridge`` with the VLAN settings of ``attachment``.

        Made anew, so that the switch opens the interface that has this name now: in one transaction it would
        see no change and keep the socket of an interface that is gone. Raises :class:`CommandError`.
        """
        kind = ("--", "set", "interface", port, "type=internal", f"mtu_request={MTU}") if internal else ()
        self.remove_port(port)
        self._vsctl(
            "add-port", bridge, port,
            "--", "set", "port", port, *vlan_settings(attachment),
            *kind,
        )  # fmt: skip

    def set_port(self, port: str, attachment: Attachment) -> None:
        """Change the VLAN settings of ``port`` without touching its link."""
        self._vsctl("set", "port", port, *vlan_settings(attachment))

    def remove_port(self, port: str) -> None:
        """Remove ``port``; not being there is fine."""
        self._vsctl("--if-exists", "del-port", port)

    def ports(self) -> dict[str, str]:
        """Bridge of each port (internal ports and the bridges' own included)."""
        result: dict[str, str] = {}
        for bridge in self._vsctl("list-br").split():
            for port in self._vsctl("list-ports", bridge).split():
                result[port] = bridge
        return result

    def vlan(self, port: str) -> tuple[int | None, str]:
        """Access VLAN (None on a trunk) and VLAN mode of ``port``."""
        text = self._vsctl("--format=json", "--columns=tag,vlan_mode", "list", "port", port)
        tag, mode = json.loads(text)["data"][0]
        return (tag if isinstance(tag, int) else None, mode if isinstance(mode, str) else "")

    def _vsctl(self, *arguments: str) -> str:
        return run(
            "ovs-vsctl", "--timeout=15", f"--db=unix:{self._socket}", *arguments, env=self._environment()
        )

    def _environment(self) -> Mapping[str, str]:
        own = str(self._directory)
        return {**os.environ, "OVS_RUNDIR": own, "OVS_DBDIR": own, "OVS_LOGDIR": own}

    def _spawn_database(self, database: Path) -> None:
        argv = (
            "ovsdb-server",
            str(database),
            f"--remote=punix:{self._socket}",
            "--no-chdir",
            "-vconsole:warn",
        )
        processes.spawn(
            self._database_lock, (*argv, f"--unixctl={self._directory / 'ovsdb.ctl'}"),
            self._directory / "ovsdb-server.log", env=self._environment(),
        )  # fmt: skip
        self._await(self._socket, self._database_lock, "ovsdb-server")

    def _spawn_switch(self) -> None:
        control = self._directory / "vswitchd.ctl"
        control.unlink(missing_ok=True)
        argv = ("ovs-vswitchd", f"unix:{self._socket}", "-vconsole:warn", f"--unixctl={control}")
        processes.spawn(
            self._switch_lock, (*netns.enter(self._namespace), *argv),
            self._directory / "ovs-vswitchd.log", env=self._environment(),
        )  # fmt: skip
        self._await(control, self._switch_lock, "ovs-vswitchd")

    def _await(self, path: Path, lock: Path, daemon: str) -> None:
        """Wait until ``daemon`` accepts connections on its socket (the file is there a moment earlier)."""
        deadline = time.monotonic() + _READY_SECONDS
        while not _accepts(path):
            if time.monotonic() >= deadline or not processes.is_held(lock):
                processes.send(lock, signal.SIGKILL)
                log = (self._directory / f"{daemon}.log").read_text(errors="replace")
                raise CommandError((daemon,), log[-500:].strip() or "did not start")
            time.sleep(0.01)


def _accepts(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        try:
            probe.connect(str(path))
        except OSError:
            return False
    return True
