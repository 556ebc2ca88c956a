"""What is, as seen in vCenter and on the nodes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class NodeVm:
    """A node's VM in vCenter. ``reference`` is its moid; ``power`` is vSphere's powerState value.

    ``uuid`` is its instance UUID, made anew with each clone. ``identified``: it has been given its guest
    variables. ``host_key`` is what its guest has published since it was powered on: vSphere forgets such
    variables at power-off, so it is empty for a VM that is off or still boots.
    """

    cloud: str
    node: str
    name: str
    reference: str
    power: str
    template: str = ""
    uuid: str = ""
    identified: bool = False
    host_key: str = ""
    addresses: tuple[str, ...] = ()
    tools_running: bool = False
    cpus: int = 0
    memory_mb: int = 0


@dataclass(frozen=True)
class DatastoreFacts:
    """Sizes in bytes."""

    name: str
    capacity: int
    free: int
    accessible: bool
    hosts: tuple[str, ...] = ()


@dataclass(frozen=True)
class ClusterFacts:
    """``hosts`` are those that are connected and not in maintenance; totals over them."""

    name: str
    hosts: tuple[str, ...]
    cpu_mhz: int
    memory_mb: int
    datastores: tuple[str, ...]
    networks: tuple[str, ...]
    resource_pools: tuple[str, ...] = ()


@dataclass(frozen=True)
class SiteFacts:
    """What a vCenter has, by name, as far as a site file can name it.

    ``port_groups`` maps a name to its VLAN id (None: a trunk or unknown); ``used_addresses`` maps an address to the VM
    that reports it.
    """

    version: str
    datacenters: tuple[str, ...]
    clusters: Mapping[str, ClusterFacts] = field(default_factory=dict)
    datastores: Mapping[str, DatastoreFacts] = field(default_factory=dict)
    port_groups: Mapping[str, int | None] = field(default_factory=dict)
    switches: tuple[str, ...] = ()
    templates: tuple[str, ...] = ()
    used_addresses: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Observed:
    """What planning compares a cloud with.

    ``node_digests``: node name -> digest of the state last applied whole (from the node itself; absent when
    it cannot be reached or has none). ``registered`` is the digest of the catalog last registered and
    ``verified`` the digest of the cloud last verified, both kept by the manager's store.
    """

    facts: SiteFacts
    folder_exists: bool
    nodes: Mapping[str, NodeVm] = field(default_factory=dict)
    node_digests: Mapping[str, str] = field(default_factory=dict)
    reachable: frozenset[str] = frozenset()
    registered: str | None = None
    verified: str | None = None
