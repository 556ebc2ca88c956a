"""The default data centre: from a lab's record to the vCenter's settings."""

from __future__ import annotations

import json
import os
from pathlib import Path

from viaduct_lab.config import ClusterLayout, InventoryLayout, PortGroupLayout, VCenterConfig
from viaduct_lab.fabric import Attachment, Leg
from viaduct_lab.lab import allocation
from viaduct_lab.lab.errors import ImageUnusable
from viaduct_lab.lab.record import LabPaths, LabRecord

USERNAME = "administrator@vsphere.local"
SWITCH = "dvs"
EXTERNAL_VLAN = 11
PORT = 443
_PORT_UNPRIVILEGED = 9443
_MANAGEMENT_HOSTS = (3, 11)
_COMPUTE_HOSTS = (2, 21)


def template_name(image_id: str) -> str:
    """Name of the template VM made of an appliance image."""
    return f"viaduct-appliance-{image_id}"


def image_id(manifest: Path) -> str:
    """The id in an appliance's manifest. Raises :class:`ImageUnusable`."""
    remedy = "Build the image again ('./viaduct image build') and start with that one."
    try:
        content = json.loads(manifest.read_text())
        layers = [manifest.resolve().parent / layer for layer in content["layers"]]
        found = str(content["id"])
    except FileNotFoundError as error:
        raise ImageUnusable(f"There is no appliance image at {manifest.parent}.", remedy) from error
    except (ValueError, KeyError, TypeError) as error:
        raise ImageUnusable(f"{manifest} is not an appliance's manifest.", remedy) from error
    missing = [layer for layer in layers if not layer.is_dir()]
    if missing or not layers:
        raise ImageUnusable(
            f"The appliance image {found} lacks its layer {missing[0] if missing else ''}.", remedy
        )
    return found


def served_addresses(record: LabRecord) -> tuple[str, ...]:
    """Where the vCenter answers: its own address, then each ESXi host's.

    On the management network; without guests there is no fabric, and they lie on the loopback interface.
    """
    network = record.management_network
    names = (
        str(allocation.gateway(network)),
        *_hosts(record, _MANAGEMENT_HOSTS),
        *_hosts(record, _COMPUTE_HOSTS),
    )
    return tuple(_placed(record, name) for name in names)


def gateway_addresses(record: LabRecord) -> tuple[str, ...]:
    """The gateway port's addresses with prefix length."""
    return tuple(f"{a}/{record.management_network.prefixlen}" for a in served_addresses(record))


def legs(record: LabRecord) -> tuple[Leg, Leg]:
    """The machine's own ways into the management and the external network."""
    management, external = record.interfaces
    networks = record.management_network, record.external_network
    inner, outer = (f"{allocation.own(n)}/{n.prefixlen}" for n in networks)
    return (
        Leg(management, inner, Attachment(SWITCH)),
        Leg(external, outer, Attachment(SWITCH, EXTERNAL_VLAN)),
    )


def inventory(record: LabRecord) -> InventoryLayout:
    """The default inventory."""
    return InventoryLayout(
        datacenter="Datacenter",
        clusters=(
            ClusterLayout(
                "management", _placed_hosts(record, _MANAGEMENT_HOSTS), ("management-ds", "shared-ds")
            ),
            ClusterLayout("compute", _placed_hosts(record, _COMPUTE_HOSTS), ("compute-ds", "shared-ds")),
        ),
        datastores=("management-ds", "compute-ds", "shared-ds"),
        switch=SWITCH,
        port_groups=(
            PortGroupLayout("management"),
            PortGroupLayout("external", vlan=EXTERNAL_VLAN),
            PortGroupLayout("trunk", trunk=True),
        ),
    )


def vcenter_config(record: LabRecord, paths: LabPaths, port: int | None = None) -> VCenterConfig:
    """Settings of the vCenter process. ``port`` None: the HTTPS port, or a higher one without root."""
    if port is None:
        port = PORT if os.geteuid() == 0 else _PORT_UNPRIVILEGED
    return VCenterConfig(
        addresses=served_addresses(record),
        port=port,
        state_dir=paths.vcenter,
        datastores_dir=paths.datastores,
        certificate=paths.pki.certificate,
        private_key=paths.pki.private_key,
        username=USERNAME,
        password_file=paths.password,
        inventory=inventory(record),
        runtime="nspawn" if record.guests else "none",
        lab_id=record.id,
        lab_dir=paths.root,
        image_manifest=Path(record.image) if record.image else None,
    )


def _hosts(record: LabRecord, hosts: tuple[int, int]) -> tuple[str, ...]:
    count, first = hosts
    return allocation.host_addresses(record.management_network, count, first)


def _placed_hosts(record: LabRecord, hosts: tuple[int, int]) -> tuple[str, ...]:
    return tuple(_placed(record, address) for address in _hosts(record, hosts))


def _placed(record: LabRecord, address: str) -> str:
    return address if record.guests else address.replace("10.", "127.", 1)
