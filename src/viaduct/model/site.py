"""A site: a vSphere environment as its administrator describes it."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path

from viaduct.model.secret import Secret


@dataclass(frozen=True)
class VCenter:
    """How to reach and trust a vCenter.

    Trust is ``ca_file`` (PEM), or ``thumbprint`` (SHA-256 of a certificate in the presented chain,
    upper case, colons), or the system's own store when both are None.
    """

    host: str
    username: str
    password: Secret
    port: int = 443
    ca_file: Path | None = None
    thumbprint: str | None = None


@dataclass(frozen=True)
class AddressRange:
    """IPv4 addresses from ``first`` to ``last``, both included."""

    first: IPv4Address
    last: IPv4Address

    def __len__(self) -> int:
        return int(self.last) - int(self.first) + 1

    def __contains__(self, address: IPv4Address) -> bool:
        return self.first <= address <= self.last

    def __str__(self) -> str:
        return f"{self.first}-{self.last}"


@dataclass(frozen=True)
class SiteNetwork:
    """A port group that nodes are connected to, with the addresses we may use on it."""

    port_group: str
    cidr: IPv4Network
    ranges: tuple[AddressRange, ...]
    gateway: IPv4Address | None = None
    dns: tuple[IPv4Address, ...] = ()
    ntp: tuple[str, ...] = ()


@dataclass(frozen=True)
class ManagementPlacement:
    """Where control-plane VMs go. ``folder`` is a path below the datacenter's VM folder."""

    cluster: str
    datastore: str
    folder: str = "Viaduct"
    resource_pool: str | None = None


@dataclass(frozen=True)
class ComputeCluster:
    """A cluster that runs tenants' instances, and the datastores they may use."""

    cluster: str
    datastores: tuple[str, ...]


@dataclass(frozen=True)
class TenantNetworks:
    """The distributed switch for tenants' VLAN networks, and the VLAN ids (first, last) they may use."""

    switch: str
    vlans: tuple[tuple[int, int], ...]
    physical_network: str = "dvs"


@dataclass(frozen=True)
class Site:
    """A whole site file."""

    name: str
    vcenter: VCenter
    datacenter: str
    management: ManagementPlacement
    compute: tuple[ComputeCluster, ...]
    image_datastore: str
    management_network: SiteNetwork
    external_network: SiteNetwork
    tenant_networks: TenantNetworks
    template: str
