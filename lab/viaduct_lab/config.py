"""What the lab's vCenter process is told at start: one JSON file, written by the lab, read once."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

PROVIDED, COMPLETE = "provided", "complete"
"""What the service description covers: what this vCenter provides, or the whole API."""


@dataclass(frozen=True)
class ClusterLayout:
    """One cluster of the default inventory.

    ``hosts`` are the names of its ESXi hosts. A host's name is the address at which it answers,
    because upstream drivers upload to ``https://<HostSystem.name>/folder``.
    """

    name: str
    hosts: tuple[str, ...]
    datastores: tuple[str, ...]


@dataclass(frozen=True)
class PortGroupLayout:
    """A distributed port group: an access VLAN (0: untagged), or a trunk of all VLANs."""

    name: str
    vlan: int = 0
    trunk: bool = False


@dataclass(frozen=True)
class InventoryLayout:
    """The inventory of a vCenter that has no saved state yet."""

    datacenter: str
    clusters: tuple[ClusterLayout, ...]
    datastores: tuple[str, ...]
    switch: str
    port_groups: tuple[PortGroupLayout, ...]
    datastore_capacity_bytes: int = 2 << 40


@dataclass(frozen=True)
class VCenterConfig:
    """Settings of one simulated vCenter.

    ``addresses``: where HTTPS is served (the vCenter's own first, then each ESXi host's).
    ``state_dir``: its database and control socket; ``datastores_dir``: one folder per datastore with
    the real files. ``runtime``: ``nspawn`` (appliance VMs run as guests) or ``none`` (all VMs are
    simulated only). ``image_manifest``: the appliance's manifest.json, offered as a template VM.
    ``task_seconds``: least duration of a task; ``lab_id`` names what the runtime makes. ``wsdl``: which
    service description is served at the usual place (the complete one always is, under ``/sdk/complete/``).
    """

    addresses: tuple[str, ...]
    state_dir: Path
    datastores_dir: Path
    certificate: Path
    private_key: Path
    username: str
    password_file: Path
    inventory: InventoryLayout
    port: int = 443
    runtime: str = "none"
    lab_id: str = ""
    lab_dir: Path | None = None
    image_manifest: Path | None = None
    task_seconds: float = 0.05
    wsdl: str = PROVIDED
    extra: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.wsdl not in (PROVIDED, COMPLETE):
            raise ValueError(f"wsdl is {self.wsdl!r}: neither {PROVIDED!r} nor {COMPLETE!r}")

    def save(self, path: Path) -> None:
        """Write the settings as JSON to ``path``."""
        path.write_text(json.dumps(asdict(self), indent=2, default=str))

    @classmethod
    def load(cls, path: Path) -> VCenterConfig:
        """Read the settings written by :meth:`save`. Raises ``KeyError``/``TypeError`` if malformed."""
        raw = json.loads(path.read_text())
        layout = raw.pop("inventory")
        inventory = InventoryLayout(
            datacenter=layout["datacenter"],
            clusters=tuple(
                ClusterLayout(c["name"], tuple(c["hosts"]), tuple(c["datastores"]))
                for c in layout["clusters"]
            ),
            datastores=tuple(layout["datastores"]),
            switch=layout["switch"],
            port_groups=tuple(PortGroupLayout(**p) for p in layout["port_groups"]),
            datastore_capacity_bytes=layout["datastore_capacity_bytes"],
        )
        for name in ("state_dir", "datastores_dir", "certificate", "private_key", "password_file"):
            raw[name] = Path(raw[name])
        for name in ("lab_dir", "image_manifest"):
            raw[name] = Path(raw[name]) if raw[name] else None
        raw["addresses"] = tuple(raw["addresses"])
        return cls(inventory=inventory, **raw)
