"""A sample site and cloud for tests: ``sample_site()``, ``sample_cloud()``.

Secrets are recognisable, certificates are not real.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path

from viaduct.model.cloud import SECRET_NAMES, Certificate, Cloud, CloudSpec, Node, Trust
from viaduct.model.secret import Secret
from viaduct.model.site import (
    AddressRange,
    ComputeCluster,
    ManagementPlacement,
    Site,
    SiteNetwork,
    TenantNetworks,
    VCenter,
)
from viaduct.roles import ROLES

VCENTER_PASSWORD = "vc$ecret-Pa$$word"


def pem(name: str) -> str:
    """Something with a certificate's outline."""
    body = base64.b64encode(hashlib.sha256(name.encode()).digest()).decode()
    return f"-----BEGIN CERTIFICATE-----\n{body}\n-----END CERTIFICATE-----\n"


def network(port_group: str, third: int, *, ntp: tuple[str, ...] = ()) -> SiteNetwork:
    """10.70.<third>.0/24 with addresses .100 to .149."""
    prefix = f"10.70.{third}"
    return SiteNetwork(
        port_group=port_group,
        cidr=IPv4Network(f"{prefix}.0/24"),
        ranges=(AddressRange(IPv4Address(f"{prefix}.100"), IPv4Address(f"{prefix}.149")),),
        gateway=IPv4Address(f"{prefix}.1"),
        ntp=ntp,
    )


def sample_site(
    *,
    compute: tuple[ComputeCluster, ...] = (ComputeCluster("compute", ("compute-ds",)),),
    vcenter_port: int = 443,
    ntp: tuple[str, ...] = (),
) -> Site:
    """A site like the lab's."""
    return Site(
        name="lab",
        vcenter=VCenter(
            host="10.70.0.1",
            port=vcenter_port,
            username="administrator@vsphere.local",
            password=Secret(VCENTER_PASSWORD),
            ca_file=Path("/etc/viaduct/lab-ca.pem"),
        ),
        datacenter="Datacenter",
        management=ManagementPlacement("management", "management-ds"),
        compute=compute,
        image_datastore="shared-ds",
        management_network=network("management", 0, ntp=ntp),
        external_network=network("external", 1),
        tenant_networks=TenantNetworks("dvs", ((1000, 1499), (1600, 1999))),
        template="viaduct-appliance-0.1.0",
    )


def sample_node(name: str = "node1", roles: tuple[str, ...] = ROLES, last: int = 100) -> Node:
    """A node of 2 processors and 6 GiB at 10.70.0.<last> and 10.70.1.<last>."""
    return Node(
        name=name,
        roles=roles,
        cpus=2,
        memory_mb=6144,
        management_address=IPv4Address(f"10.70.0.{last}"),
        external_address=IPv4Address(f"10.70.1.{last}"),
    )


def sample_secrets() -> dict[str, Secret]:
    """Each secret's value tells its name."""
    return {name: Secret(f"S-{name}-0123456789") for name in SECRET_NAMES}


def sample_cloud(
    *,
    site: Site | None = None,
    nodes: tuple[Node, ...] | None = None,
    options: Mapping[str, Mapping[str, Mapping[str, str]]] | None = None,
    secrets: Mapping[str, Secret] | None = None,
) -> Cloud:
    """A cloud of mode tiny."""
    nodes = nodes or (sample_node(),)
    return Cloud(
        spec=CloudSpec(
            name="c1",
            mode="tiny",
            nodes=nodes,
            public_address=nodes[0].external_address,
            internal_address=nodes[0].management_address,
            options=options or {},
        ),
        site=site or sample_site(),
        secrets=secrets or sample_secrets(),
        trust=Trust(
            cloud_ca_pem=pem("cloud"),
            endpoint=Certificate(pem("endpoint") + pem("cloud"), Secret("-----PRIVATE KEY----- not real\n")),
            vcenter_ca_pem=pem("vcenter"),
        ),
    )
