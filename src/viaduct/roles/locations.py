"""Where the parts of a cloud are: addresses, ports and URLs."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import quote

from viaduct.errors import SpecError
from viaduct.model.cloud import Cloud, Node

LOOPBACK = "127.0.0.1"
DATABASE_PORT = 3306
MESSAGING_PORT = 5672
CACHE_PORT = 11211


@dataclass(frozen=True)
class Endpoint:
    """An API of OpenStack as the catalog shows it. ``path`` follows the port in its URL."""

    service: str
    type: str
    description: str
    port: int
    path: str = ""

    @property
    def local_port(self) -> int:
        """Where the API listens on loopback, behind the load balancer."""
        return self.port + 10000


IDENTITY = Endpoint("keystone", "identity", "OpenStack Identity", 5000, "/v3")
PLACEMENT = Endpoint("placement", "placement", "OpenStack Placement", 8778)
IMAGE = Endpoint("glance", "image", "OpenStack Image", 9292)
COMPUTE = Endpoint("nova", "compute", "OpenStack Compute", 8774, "/v2.1")
NETWORK = Endpoint("neutron", "network", "OpenStack Networking", 9696)
VOLUME = Endpoint("cinder", "block-storage", "OpenStack Block Storage", 8776, "/v3")

ENDPOINTS = (IDENTITY, PLACEMENT, IMAGE, COMPUTE, NETWORK, VOLUME)

# Clients from before the official service types (old Terraform providers) look for Cinder under this one.
LEGACY_VOLUME = Endpoint("cinderv3", "volumev3", "OpenStack Block Storage", VOLUME.port, VOLUME.path)

CATALOG = (*ENDPOINTS, LEGACY_VOLUME)
"""What the catalog holds: keystone first, all APIs, and other names of theirs."""


def public_url(cloud: Cloud, endpoint: Endpoint) -> str:
    """The URL that tenants use."""
    return f"https://{cloud.spec.public_address}:{endpoint.port}{endpoint.path}"


def internal_url(cloud: Cloud, endpoint: Endpoint) -> str:
    """The URL that services use among each other."""
    return f"https://{cloud.spec.internal_address}:{endpoint.port}{endpoint.path}"


def address_of(cloud: Cloud, node: Node, role: str) -> str:
    """Where ``node`` reaches ``role``.

    On itself by loopback, else on the first node that has it. Raises SpecError if none has.
    """
    if role in node.roles:
        return LOOPBACK
    for other in cloud.spec.nodes:
        if role in other.roles:
            return str(other.management_address)
    raise SpecError(
        f"No node of cloud {cloud.spec.name} has the role {role}, which node {node.name} needs.",
        f"Give the role {role} to a node of the cloud.",
    )


def listen_address(cloud: Cloud, node: Node) -> str:
    """Where infrastructure on ``node`` listens: on loopback unless other nodes need it."""
    return LOOPBACK if len(cloud.spec.nodes) == 1 else str(node.management_address)


def database_url(cloud: Cloud, node: Node, service: str, database: str) -> str:
    """SQLAlchemy's URL of ``database`` for the user ``service`` (a secret)."""
    password = quote(cloud.secret(f"{service}_database_password"), safe="")
    host = address_of(cloud, node, "database")
    return f"mysql+pymysql://{service}:{password}@{host}:{DATABASE_PORT}/{database}?charset=utf8mb4"


def messaging_url(cloud: Cloud, node: Node) -> str:
    """oslo.messaging's transport URL (a secret)."""
    password = quote(cloud.secret("messaging_password"), safe="")
    return f"rabbit://openstack:{password}@{address_of(cloud, node, 'messaging')}:{MESSAGING_PORT}//"


def cache_server(cloud: Cloud, node: Node) -> str:
    """``host:port`` of memcached."""
    return f"{address_of(cloud, node, 'cache')}:{CACHE_PORT}"
