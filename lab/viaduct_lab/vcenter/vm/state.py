"""What a virtual machine is, besides its place in the inventory: the state that is kept."""

from __future__ import annotations

import uuid
from dataclasses import asdict, dataclass, field, fields
from datetime import datetime
from typing import Any

from viaduct_lab.storage.paths import DatastorePath
from viaduct_lab.vcenter.core import codec
from viaduct_lab.vcenter.core.types import vim
from viaduct_lab.vcenter.vm.layout import Device

POWERED_OFF, POWERED_ON, SUSPENDED = "poweredOff", "poweredOn", "suspended"
DEFAULT_VERSION = "vmx-21"


def _instant(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None


@dataclass
class Hardware:
    """Identity and size of the virtual hardware. ``folder`` and ``vmx``: where its files lie."""

    folder: DatastorePath
    vmx: str
    uuid: str = field(default_factory=lambda: str(uuid.uuid4()))
    instance_uuid: str = field(default_factory=lambda: str(uuid.uuid4()))
    guest_id: str = "otherGuest64"
    version: str = DEFAULT_VERSION
    cpus: int = 1
    cores_per_socket: int = 1
    memory_mb: int = 32
    template: bool = False
    change_version: int = 0

    def save(self) -> dict[str, Any]:
        """As JSON data."""
        return {**asdict(self), "folder": str(self.folder)}

    @classmethod
    def load(cls, saved: dict[str, Any]) -> Hardware:
        """What :meth:`save` gave; unknown keys are ignored."""
        known = {f.name for f in fields(cls)}
        values = {k: v for k, v in saved.items() if k in known}
        return cls(**{**values, "folder": DatastorePath.parse(saved["folder"])})


@dataclass
class Power:
    """The power state, and since when. ``guest``: it runs as a guest of the lab's runtime."""

    state: str = POWERED_OFF
    boot_time: datetime | None = None
    suspend_time: datetime | None = None
    clean_off: bool = True
    guest: bool = False

    def save(self) -> dict[str, Any]:
        """As JSON data."""
        return {
            "state": self.state,
            "boot": self.boot_time.isoformat() if self.boot_time else None,
            "suspend": self.suspend_time.isoformat() if self.suspend_time else None,
            "clean": self.clean_off,
            "guest": self.guest,
        }

    @classmethod
    def load(cls, saved: dict[str, Any]) -> Power:
        """What :meth:`save` gave."""
        boot, suspend = _instant(saved["boot"]), _instant(saved["suspend"])
        return cls(saved["state"], boot, suspend, saved["clean"], saved["guest"])


@dataclass
class Guest:
    """What is known of the software inside; never kept, and forgotten at power-off.

    ``addresses``: MAC -> addresses with prefix length. ``guestinfo``: what the guest has set itself, by key
    of extraConfig.
    """

    tools_running: bool = False
    hostname: str = ""
    addresses: dict[str, tuple[str, ...]] = field(default_factory=dict)
    guestinfo: dict[str, str] = field(default_factory=dict)


@dataclass
class VmState:
    """All of it. ``settings``: other fields of ConfigInfo by name; ``extra``: extraConfig."""

    hardware: Hardware
    devices: list[Device]
    created: datetime
    modified: datetime
    extra: dict[str, str] = field(default_factory=dict)
    settings: dict[str, Any] = field(default_factory=dict)
    power: Power = field(default_factory=Power)
    guest: Guest = field(default_factory=Guest)

    def save(self) -> dict[str, Any]:
        """As JSON data, without what is derived."""
        return {
            "hardware": self.hardware.save(),
            "devices": codec.dump(vim.vm.device.VirtualDevice.Array(self.devices)),
            "created": self.created.isoformat(),
            "modified": self.modified.isoformat(),
            "extra": self.extra,
            "settings": {name: codec.dump(value) for name, value in self.settings.items()},
            "power": self.power.save(),
        }

    @classmethod
    def load(cls, saved: dict[str, Any]) -> VmState:
        """What :meth:`save` gave."""
        return cls(
            hardware=Hardware.load(saved["hardware"]),
            devices=list(codec.load(saved["devices"])),
            created=datetime.fromisoformat(saved["created"]),
            modified=datetime.fromisoformat(saved["modified"]),
            extra=dict(saved["extra"]),
            settings={name: codec.load(text) for name, text in saved["settings"].items()},
            power=Power.load(saved["power"]),
        )
