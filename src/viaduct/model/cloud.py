"""A cloud: one OpenStack deployment on a site, and the nodes it consists of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Address

from viaduct.model.secret import Secret
from viaduct.model.site import Site

REGION = "RegionOne"


@dataclass(frozen=True)
class Node:
    """One control-plane VM. ``memory_mb`` in MiB; ``roles`` in the order of :mod:`viaduct.roles`."""

    name: str
    roles: tuple[str, ...]
    cpus: int
    memory_mb: int
    management_address: IPv4Address
    external_address: IPv4Address


@dataclass(frozen=True)
class CloudSpec:
    """A cloud's description without secrets: what is exported and can be deployed again (VIO's template).

    ``options`` overrides configuration of services: file name -> section -> option -> value, for
    example ``{"nova.conf": {"DEFAULT": {"debug": "true"}}}``.
    """

    name: str
    mode: str
    nodes: tuple[Node, ...]
    public_address: IPv4Address
    internal_address: IPv4Address
    region: str = REGION
    options: Mapping[str, Mapping[str, Mapping[str, str]]] = field(default_factory=dict)


@dataclass(frozen=True)
class Certificate:
    """A certificate chain and its private key, both PEM."""

    chain_pem: str
    key_pem: Secret


@dataclass(frozen=True)
class Trust:
    """Certificates that a cloud is built with: its own CA, the endpoint's certificate, the vCenter's CA (PEM)."""

    cloud_ca_pem: str
    endpoint: Certificate
    vcenter_ca_pem: str


@dataclass(frozen=True)
class Cloud:
    """All that a role needs to render a node: the spec, its site, secrets and certificates.

    ``secrets`` holds one generated secret per name in :data:`SECRET_NAMES`.
    """

    spec: CloudSpec
    site: Site
    secrets: Mapping[str, Secret]
    trust: Trust

    def secret(self, name: str) -> str:
        """The revealed secret called ``name``; raises ``KeyError`` if there is none."""
        return self.secrets[name].reveal()


SERVICES = ("keystone", "placement", "glance", "nova", "neutron", "cinder")

SECRET_NAMES: tuple[str, ...] = (
    "admin_password",
    *(f"{service}_database_password" for service in SERVICES),
    *(f"{service}_password" for service in SERVICES if service != "keystone"),
    "messaging_password",
    "messaging_cookie",
    "metadata_secret",
    "memcache_secret",
    # Fernet keys are 32 random bytes in URL-safe base64, as keystone stores them.
    "fernet_key_0",
    "fernet_key_1",
    "credential_key_0",
    "credential_key_1",
)
