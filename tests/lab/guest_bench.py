"""What tests with real guests are built on: a login, a fabric with a runtime, waiting."""

from __future__ import annotations

import json
import subprocess
import time
from dataclasses import dataclass, field
from ipaddress import IPv4Network
from pathlib import Path

from viaduct_lab.config import InventoryLayout, VCenterConfig
from viaduct_lab.fabric import Attachment, Fabric, Leg
from viaduct_lab.guests.nspawn import NspawnRuntime
from viaduct_lab.guests.runtime import GuestNic, GuestSpec
from viaduct_lab.lab import allocation

EXTERNAL_VLAN = 11


@dataclass
class Ssh:
    """Runs commands in guests."""

    key: Path

    def __call__(self, address: str, command: str, timeout: float = 20) -> str:
        """The output of ``command``. Raises ``CalledProcessError``, ``TimeoutExpired``."""
        argv = [
            "ssh", "-i", str(self.key), "-o", "StrictHostKeyChecking=no", "-o", "LogLevel=ERROR",
            "-o", "UserKnownHostsFile=/dev/null", "-o", "ConnectTimeout=3", "-o", "BatchMode=yes",
            f"root@{address}", command,
        ]  # fmt: skip
        done = subprocess.run(argv, capture_output=True, text=True, timeout=timeout, check=True)
        return done.stdout.strip()

    def wait(self, address: str, timeout: float = 60) -> float:
        """Wait until a login works; the seconds it took."""
        began = time.monotonic()
        while True:
            try:
                self(address, "true")
            except (subprocess.CalledProcessError, subprocess.TimeoutExpired):
                assert time.monotonic() - began < timeout, f"no login at {address} within {timeout} s"
                time.sleep(0.1)
            else:
                return time.monotonic() - began


def until(condition, timeout: float = 10.0):
    """Wait until ``condition()`` is true; returns what it returned."""
    deadline = time.monotonic() + timeout
    while not (found := condition()):
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.02)
    return found


@dataclass
class Bench:
    """A fabric and a runtime without a vCenter."""

    root: Path
    lab_id: str
    management: IPv4Network
    external: IPv4Network
    layers: tuple[Path, ...]
    public_key: str
    fabric: Fabric = field(init=False)
    runtime: NspawnRuntime = field(init=False)

    def __post_init__(self) -> None:
        self.fabric = Fabric(self.lab_id, self.root / "fabric")
        self.runtime = self.new_runtime()

    def new_runtime(self) -> NspawnRuntime:
        """Another runtime on the same guests, as a new vCenter process has one."""
        none = self.root / "none"
        return NspawnRuntime(
            VCenterConfig(
                addresses=(),
                state_dir=none,
                datastores_dir=none,
                certificate=none,
                private_key=none,
                username="",
                password_file=none,
                inventory=InventoryLayout("", (), (), "dvs", ()),
                runtime="nspawn",
                lab_id=self.lab_id,
                lab_dir=self.root,
            )
        )

    @property
    def legs(self) -> tuple[Leg, ...]:
        """The machine's ways in."""
        return (
            Leg(f"vd{self.lab_id}m", f"{allocation.own(self.management)}/24", Attachment("dvs")),
            Leg(f"vd{self.lab_id}x", f"{allocation.own(self.external)}/24", Attachment("dvs", EXTERNAL_VLAN)),
        )

    def build(self) -> None:
        """Make the fabric."""
        self.fabric.ensure("dvs", (f"{allocation.gateway(self.management)}/24",), self.legs)

    def clear(self) -> None:
        """Remove everything."""
        for vm_id in self.runtime.adopt():
            self.runtime.stop(vm_id)
        self.runtime.close()
        self.fabric.remove(tuple(leg.interface for leg in self.legs))

    def address(self, number: int) -> str:
        """Management address of guest ``number``."""
        return str(self.management.network_address + 100 + number)

    def external_address(self, number: int) -> str:
        """External address of guest ``number``."""
        return str(self.external.network_address + 100 + number)

    def spec(self, number: int, **changes) -> GuestSpec:
        """Guest ``number``: an adapter on each network, a login for the tests' key."""
        disk = self.root / "datastores" / f"vm-{number}"
        (disk / "upper").mkdir(parents=True, exist_ok=True)
        (disk / "work").mkdir(exist_ok=True)
        macs = [f"00:50:56:aa:{i:02x}:{number:02x}" for i in (0, 1)]
        values = {
            "vm_id": f"vm-{number}",
            "name": f"vm{number}",
            "bios_uuid": f"42000000-0000-4000-8000-{number:012d}",
            "cpus": 2,
            "memory_mb": 512,
            "layers": self.layers,
            "upper": disk / "upper",
            "work": disk / "work",
            "console": disk / "console.log",
            "nics": (
                GuestNic(0, macs[0], "dvs", 0, trunk=False, connected=True),
                GuestNic(1, macs[1], "dvs", EXTERNAL_VLAN, trunk=False, connected=True),
            ),
            "guestinfo": {**self.cloud_init(number, macs), "hello": "world one"},
        }
        return GuestSpec(**{**values, **changes})

    def cloud_init(self, number: int, macs: list[str]) -> dict[str, str]:
        """guestinfo as the manager gives it to a node."""
        addresses = {"management": self.address(number), "external": self.external_address(number)}
        interfaces = {
            name: {"match": {"macaddress": mac}, "set-name": name, "addresses": [f"{address}/24"]}
            for mac, (name, address) in zip(macs, addresses.items(), strict=True)
        }
        metadata = {
            "instance-id": f"i-{number}",
            "local-hostname": f"node{number}",
            "network": {"version": 2, "ethernets": interfaces},
        }
        keys = {
            "path": "/root/.ssh/authorized_keys",
            "permissions": "0600",
            "content": f"{self.public_key}\n",
        }
        userdata = {"disable_root": False, "write_files": [keys]}
        return {"metadata": json.dumps(metadata), "userdata": f"#cloud-config\n{json.dumps(userdata)}\n"}
