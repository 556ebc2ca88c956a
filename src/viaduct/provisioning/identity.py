"""The identity that a node gets through guestinfo: name, addresses, root's key. It holds no secret.

The form is what cloud-init's VMware datasource reads: ``guestinfo.metadata`` (instance id, host name, network
configuration version 2) and ``guestinfo.userdata`` (cloud-config), both in base64.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence
from typing import Any

from viaduct.model.cloud import Node
from viaduct.model.site import Site, SiteNetwork

MANAGEMENT, EXTERNAL = "management", "external"


def guestinfo(node: Node, site: Site, macs: Sequence[str], public_key: str) -> Mapping[str, str]:
    """Guest variables (keys without the ``guestinfo.`` prefix) that make a fresh clone this node.

    ``macs``: of the management adapter, then of the external one. Raises ValueError for any other number.
    """
    return {
        "metadata": _encoded(json.dumps(metadata(node, site, macs), indent=1, sort_keys=True)),
        "metadata.encoding": "base64",
        "userdata": _encoded("#cloud-config\n" + json.dumps(userdata(public_key), indent=1, sort_keys=True)),
        "userdata.encoding": "base64",
    }


def metadata(node: Node, site: Site, macs: Sequence[str]) -> dict[str, Any]:
    """cloud-init's metadata. The instance id holds a MAC: a node cloned anew is a new instance."""
    if len(macs) != 2:
        raise ValueError(f"node {node.name} has {len(macs)} network adapters instead of two")
    return {
        "instance-id": f"{node.name}-{macs[0].replace(':', '').lower()}",
        "local-hostname": node.name,
        "network": network_config(node, site, macs),
    }


def network_config(node: Node, site: Site, macs: Sequence[str]) -> dict[str, Any]:
    """Two adapters, found by MAC and named for what they are for.

    The default route goes through the management network; when that has no gateway, through the external one.
    """
    inside, outside = site.management_network, site.external_network
    routed_inside = inside.gateway is not None
    return {
        "version": 2,
        "ethernets": {
            MANAGEMENT: _ethernet(MANAGEMENT, macs[0], str(node.management_address), inside, routed_inside),
            EXTERNAL: _ethernet(EXTERNAL, macs[1], str(node.external_address), outside, not routed_inside),
        },
    }


def userdata(public_key: str) -> dict[str, Any]:
    """cloud-config: root logs in with our key only; the host keys that the first boot made are kept."""
    return {
        "disable_root": False,
        "ssh_pwauth": False,
        "ssh_deletekeys": False,
        "ssh_genkeytypes": ["ed25519"],
        "preserve_hostname": False,
        "manage_etc_hosts": False,
        "users": [{"name": "root", "lock_passwd": True, "ssh_authorized_keys": [public_key.strip()]}],
    }


def _ethernet(name: str, mac: str, address: str, network: SiteNetwork, default_route: bool) -> dict[str, Any]:
    described: dict[str, Any] = {
        "match": {"macaddress": mac.lower()},
        "set-name": name,
        "dhcp4": False,
        "dhcp6": False,
        "addresses": [f"{address}/{network.cidr.prefixlen}"],
    }
    if default_route and network.gateway is not None:
        described["routes"] = [{"to": "0.0.0.0/0", "via": str(network.gateway)}]
    if network.dns:
        described["nameservers"] = {"addresses": [str(a) for a in network.dns]}
    return described


def _encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()
