"""The lab's site file: what an administrator would write of this data centre."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from viaduct_lab.lab import allocation, blueprint
from viaduct_lab.lab.record import LabPaths, LabRecord


def site(record: LabRecord, paths: LabPaths, port: int) -> dict[str, Any]:
    """The content of the site file."""
    vcenter = blueprint.served_addresses(record)[0]
    management, external = record.management_network, record.external_network
    content: dict[str, Any] = {
        "name": "lab",
        "vcenter": {
            "host": vcenter,
            "port": port,
            "username": blueprint.USERNAME,
            "password_file": str(paths.password),
            "ca_file": str(paths.pki.ca),
        },
        "datacenter": "Datacenter",
        "management": {"cluster": "management", "datastore": "management-ds", "folder": "Viaduct"},
        "compute": [{"cluster": "compute", "datastores": ["compute-ds"]}],
        "images": {"datastore": "shared-ds"},
        "networks": {
            "management": {
                "port_group": "management",
                "cidr": str(management),
                "gateway": str(allocation.gateway(management)),
                "ranges": [f"{management.network_address + 100}-{management.network_address + 149}"],
                "dns": [],
                "ntp": [],
            },
            "external": {
                "port_group": "external",
                "cidr": str(external),
                "ranges": [f"{external.network_address + 100}-{external.network_address + 199}"],
            },
        },
        "tenant_networks": {"switch": blueprint.SWITCH, "physical_network": "dvs", "vlans": ["1000-1999"]},
    }
    if record.image:
        content["appliance"] = {"template": blueprint.template_name(blueprint.image_id(Path(record.image)))}
    return content


def site_text(record: LabRecord, paths: LabPaths, port: int) -> str:
    """The site file."""
    header = "# The lab's site, written at its start. Copy it to describe another one.\n"
    return header + yaml.safe_dump(site(record, paths, port), sort_keys=False, default_flow_style=None)
