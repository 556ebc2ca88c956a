"""The fabric of one lab: namespace, switches, the vCenter's gateway port, the machine's own legs."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

from viaduct_lab.fabric import netns
from viaduct_lab.fabric.openvswitch import OpenVSwitch
from viaduct_lab.fabric.ports import MTU, Attachment, bridge_name, port_name
from viaduct_lab.host import processes
from viaduct_lab.host.commands import CommandError, run

_GATEWAY = "gateway"
_LOCK_SECONDS = 60.0


class FabricError(Exception):
    """The lab's network could not be built or changed; the text says why."""


@dataclass(frozen=True)
class Leg:
    """A way from the machine itself into one of the lab's networks.

    ``interface`` is its name on the machine, ``address`` with prefix length.
    """

    interface: str
    address: str
    attachment: Attachment


class Fabric:
    """Builds and changes the network of lab ``lab_id``; all state lies in ``directory``.

    Usable from several processes at once (the CLI, the vCenter, each guest's launcher): changes take a lock.
    All methods are idempotent and raise :class:`FabricError`.
    """

    def __init__(self, lab_id: str, directory: Path) -> None:
        self.namespace = f"viaduct-{lab_id}"
        self._directory = directory
        self._lock = directory / "fabric.lock"
        self._ovs = OpenVSwitch(directory, self.namespace)

    def running(self) -> bool:
        """Whether the namespace and the switch daemons live."""
        return netns.exists(self.namespace) and self._ovs.running()

    def ensure(self, switch: str, gateway: tuple[str, ...], legs: tuple[Leg, ...]) -> None:
        """Have the distributed switch ``switch``, a gateway port (untagged), and ``legs``.

        ``gateway`` lists the gateway port's addresses with prefix length. What already stands is left alone.
        """
        with self._changing():
            if not self.running():
                self._clear()
                netns.create(self.namespace)
                self._ovs.start()
            bridge = bridge_name(switch)
            ports = self._ovs.ports()
            if _GATEWAY not in ports:
                self._ovs.ensure_bridge(bridge)
                self._ovs.add_port(bridge, _GATEWAY, Attachment(switch), internal=True)
            self._address_gateway(gateway)
            for leg in legs:
                self._ensure_leg(leg, ports)

    def remove(self, legs: tuple[str, ...] = ()) -> None:
        """Take everything away: daemons, namespace, and the machine's ends named in ``legs``."""
        self._directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        with self._changing():
            self._clear()
            for interface in legs:
                if interface in netns.links(None):
                    run("ip", "link", "delete", interface, check=False)

    def plug(self, owner: str, index: int, mac: str, attachment: Attachment, pid: int, *, up: bool) -> None:
        """Give the network namespace of process ``pid`` an adapter ``eth<index>`` on the fabric.

        ``owner`` and ``index`` name the port; ``up`` is the link state. Replaces a port of that name.
        """
        port = port_name(owner, index)
        with self._changing():
            self._delete_link(port)
            self._create_pair(port, f"eth{index}", mac, pid)
            self._offload_off(("nsenter", f"--net=/proc/{pid}/ns/net", "--"), f"eth{index}")
            self._attach(port, attachment, up=up)

    def replug(self, owner: str, index: int, attachment: Attachment, *, up: bool) -> None:
        """Move a plugged adapter to another switch or VLAN, or change its link state."""
        port = port_name(owner, index)
        with self._changing():
            if self._ovs.ports().get(port) == bridge_name(attachment.switch):
                self._ovs.set_port(port, attachment)
                run("ip", "-n", self.namespace, "link", "set", port, "up" if up else "down")
            else:
                self._attach(port, attachment, up=up)

    def set_link(self, owner: str, index: int, *, up: bool) -> None:
        """Raise or drop the link of a plugged adapter; an absent one is ignored."""
        with self._changing():
            run(
                "ip",
                "-n",
                self.namespace,
                "link",
                "set",
                port_name(owner, index),
                "up" if up else "down",
                check=False,
            )

    def unplug(self, owner: str, indexes: tuple[int, ...]) -> None:
        """Remove the ports of ``owner``; absent ones are fine."""
        if not self.running():
            return
        with self._changing():
            for index in indexes:
                port = port_name(owner, index)
                self._ovs.remove_port(port)
                run("ip", "-n", self.namespace, "link", "delete", port, check=False)

    def _changing(self) -> _Change:
        self._directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        return _Change(self._lock)

    def _clear(self) -> None:
        self._ovs.stop()
        netns.delete(self.namespace)

    def _attach(self, port: str, attachment: Attachment, *, up: bool) -> None:
        bridge = bridge_name(attachment.switch)
        self._ovs.ensure_bridge(bridge)
        self._ovs.add_port(bridge, port, attachment)
        run("ip", "-n", self.namespace, "link", "set", port, "up" if up else "down")

    def _create_pair(self, port: str, peer: str, mac: str, pid: int) -> None:
        run(
            "ip", "-n", self.namespace, "link", "add", port, "mtu", str(MTU), "type", "veth",
            "peer", "name", peer, "mtu", str(MTU), "address", mac, "netns", str(pid),
        )  # fmt: skip

    def _delete_link(self, port: str) -> None:
        # A guest that just died takes its end along a little later: wait rather than fail.
        for _ in range(50):
            if port not in netns.links(self.namespace):
                return
            run("ip", "-n", self.namespace, "link", "delete", port, check=False)
            time.sleep(0.02)

    def _offload_off(self, inside: tuple[str, ...], interface: str) -> None:
        # The userspace datapath does not complete checksums left to hardware: TCP would hang.
        run(*inside, "ethtool", "-K", interface, "tx", "off")

    def _address_gateway(self, addresses: tuple[str, ...]) -> None:
        link = netns.links(self.namespace).get(_GATEWAY)
        if link is None:
            raise CommandError(("ovs-vsctl", "add-port", _GATEWAY), "the switch made no interface")
        for address in addresses:
            if not netns.has_address(link, address):
                run("ip", "-n", self.namespace, "addr", "add", address, "dev", _GATEWAY)
        if "UP" not in link.get("flags", ()):
            run("ip", "-n", self.namespace, "link", "set", _GATEWAY, "up")
            # No way out of the lab: say so at once, or every lookup in a guest waits for a timeout.
            run("ip", "-n", self.namespace, "route", "replace", "unreachable", "default")
            enable = "echo 1 > /proc/sys/net/ipv4/ip_forward"
            run(*netns.enter(self.namespace), "sh", "-c", enable)

    def _ensure_leg(self, leg: Leg, ports: dict[str, str]) -> None:
        own = netns.links(None)
        bridge = bridge_name(leg.attachment.switch)
        if leg.interface not in own or ports.get(leg.interface) != bridge:
            if leg.interface in own:
                run("ip", "link", "delete", leg.interface)
            run(
                "ip", "link", "add", leg.interface, "mtu", str(MTU), "type", "veth",
                "peer", "name", leg.interface, "mtu", str(MTU), "netns", self.namespace,
            )  # fmt: skip
            self._offload_off((), leg.interface)
            self._ovs.add_port(bridge, leg.interface, leg.attachment)
            run("ip", "-n", self.namespace, "link", "set", leg.interface, "up")
            own = netns.links(None)
        if not netns.has_address(own[leg.interface], leg.address):
            run("ip", "addr", "add", leg.address, "dev", leg.interface)
        if "UP" not in own[leg.interface].get("flags", ()):
            run("ip", "link", "set", leg.interface, "up")


class _Change:
    """Holds the fabric's lock and turns what can fail inside into :class:`FabricError`."""

    def __init__(self, lock: Path) -> None:
        self._exclusive = processes.exclusive(lock, _LOCK_SECONDS)

    def __enter__(self) -> None:
        try:
            self._exclusive.__enter__()
        except processes.LockHeldError as error:
            raise FabricError("another process changes the lab's network since a minute") from error

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        self._exclusive.__exit__(None, None, None)
        if isinstance(error, CommandError):
            raise FabricError(str(error)) from error
