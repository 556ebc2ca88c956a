"""What a lab keeps of itself (``lab.json``), and where everything lies."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass, field
from ipaddress import IPv4Network
from pathlib import Path

from viaduct_lab.lab.errors import NotALab

_FORMAT = 1


@dataclass(frozen=True)
class LabRecord:
    """Identity and addresses of a lab, fixed at its first start.

    ``guests``: whether appliance VMs run as guests; ``image``: the appliance's manifest that the vCenter
    offers as a template, or None.
    """

    id: str
    management: str
    external: str
    guests: bool
    image: str | None = None
    format: int = _FORMAT

    @property
    def management_network(self) -> IPv4Network:
        """The management network (untagged)."""
        return IPv4Network(self.management)

    @property
    def external_network(self) -> IPv4Network:
        """The external network (VLAN 11)."""
        return IPv4Network(self.external)

    @property
    def interfaces(self) -> tuple[str, str]:
        """The machine's own interfaces on the management and the external network."""
        return f"vd{self.id}m", f"vd{self.id}x"


@dataclass(frozen=True)
class PkiFiles:
    """The lab's certificate authority, and the vCenter's certificate."""

    directory: Path

    @property
    def ca(self) -> Path:
        """The authority's certificate: what clients trust."""
        return self.directory / "ca.pem"

    @property
    def ca_key(self) -> Path:
        """The authority's private key."""
        return self.directory / "ca.key"

    @property
    def certificate(self) -> Path:
        """The vCenter's certificate."""
        return self.directory / "vcenter.pem"

    @property
    def private_key(self) -> Path:
        """The vCenter's private key."""
        return self.directory / "vcenter.key"


@dataclass(frozen=True)
class LabPaths:
    """Files of the lab under ``root`` (``<state>/lab``)."""

    root: Path
    record: Path = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "record", self.root / "lab.json")

    @property
    def lock(self) -> Path:
        """Held by the command that changes the lab."""
        return self.root / "lab.lock"

    @property
    def site(self) -> Path:
        """The site file for the manager."""
        return self.root / "site.yaml"

    @property
    def password(self) -> Path:
        """The vCenter administrator's password."""
        return self.root / "vcenter-password"

    @property
    def pki(self) -> PkiFiles:
        """Certificates and keys."""
        return PkiFiles(self.root / "pki")

    @property
    def vcenter(self) -> Path:
        """The vCenter's database, settings and control socket."""
        return self.root / "vcenter"

    @property
    def vcenter_lock(self) -> Path:
        """Held by the vCenter process. Outside its own folder, which a reset deletes."""
        return self.root / "vcenter.lock"

    @property
    def vcenter_config(self) -> Path:
        """Settings of the vCenter process."""
        return self.root / "vcenter.json"

    @property
    def control(self) -> Path:
        """The vCenter's control socket."""
        return self.vcenter / "control.sock"

    @property
    def datastores(self) -> Path:
        """A folder per datastore."""
        return self.root / "datastores"

    @property
    def guests(self) -> Path:
        """A folder per guest."""
        return self.root / "guests"

    @property
    def fabric(self) -> Path:
        """The switch's database and sockets."""
        return self.root / "fabric"

    @property
    def log(self) -> Path:
        """The vCenter's log."""
        return self.root / "log" / "vcenter.log"

    @property
    def restart(self) -> Path:
        """VMs to power on again at the next start."""
        return self.root / "restart.json"

    def everything(self) -> tuple[Path, ...]:
        """All that a lab makes in its folder."""
        return (
            self.guests, self.datastores, self.vcenter, self.fabric, self.pki.directory, self.log.parent,
            self.site, self.password, self.vcenter_lock, self.vcenter_config, self.restart, self.record,
            self.lock,
        )  # fmt: skip

    def unfinished(self) -> tuple[Path, ...]:
        """What a command that was killed leaves: probes, files not yet in their place."""
        patterns = (".probe-*", ".*.new", "lab.new")
        return tuple(path for pattern in patterns for path in sorted(self.root.glob(pattern)))

    def inventory_files(self) -> tuple[Path, ...]:
        """What a reset deletes."""
        return self.guests, self.datastores, self.vcenter, self.restart


def load(paths: LabPaths) -> LabRecord | None:
    """The lab's record; None when there is no lab. Raises :class:`NotALab` when it cannot be read."""
    try:
        raw = json.loads(paths.record.read_text())
        record = LabRecord(**raw)
        _ = record.management_network, record.external_network
    except FileNotFoundError:
        return None
    except (ValueError, TypeError) as error:
        raise NotALab(
            f"{paths.record} cannot be read: {error}.",
            "Restore it from a backup, or remove the lab with 'purge' and start a new one.",
        ) from error
    return record


def save(paths: LabPaths, record: LabRecord) -> None:
    """Keep ``record``, replaced in one step."""
    new = paths.record.with_suffix(".new")
    new.write_text(json.dumps(asdict(record), indent=2) + "\n")
    os.replace(new, paths.record)
