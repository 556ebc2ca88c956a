"""What a site file can name, read in a handful of bulk calls."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pyVmomi import vim

from viaduct.model.observed import ClusterFacts, DatastoreFacts, SiteFacts
from viaduct.vsphere.collect import Row, below
from viaduct.vsphere.session import Session

_MIB = 1 << 20

_COMPUTE = {
    vim.ClusterComputeResource: ("name", "host", "datastore", "network", "resourcePool"),
    vim.HostSystem: (
        "name",
        "runtime.connectionState",
        "runtime.inMaintenanceMode",
        "summary.hardware.cpuMhz",
        "summary.hardware.numCpuCores",
        "summary.hardware.memorySize",
    ),
    vim.ResourcePool: ("name", "parent", "owner"),
    vim.Datastore: ("name", "summary.capacity", "summary.freeSpace", "summary.accessible", "host"),
    vim.DistributedVirtualSwitch: ("name",),
    vim.VirtualMachine: ("name", "summary.config.template"),
}


def site_facts(session: Session, datacenter: str) -> SiteFacts:
    """Facts of one datacenter; of none when the vCenter has no datacenter of that name.

    Addresses in use are looked for in the whole vCenter: another datacenter may share the network.
    """
    root = session.content.rootFolder
    datacenters = below(session, root, {vim.Datacenter: ("name",)})
    version = session.content.about.version
    names = tuple(sorted(d.name for d in datacenters))
    home = next((d for d in datacenters if d.name == datacenter), None)
    if home is None:
        return SiteFacts(version=version, datacenters=names)
    rows = below(session, home.reference, _COMPUTE)
    networks = below(session, home.reference, {vim.Network: ("name",)})
    hosts = _of(rows, vim.HostSystem)
    datastores = _of(rows, vim.Datastore)
    clusters = _of(rows, vim.ClusterComputeResource)
    groups = port_groups(session, home.reference, networks)
    named = {r.moid: r.name for r in datastores} | {n.moid: n.name for n in networks if n.name in groups}
    return SiteFacts(
        version=version,
        datacenters=names,
        clusters={c.name: _cluster(c, hosts, named, _of(rows, vim.ResourcePool)) for c in clusters},
        datastores={d.name: _datastore(d, {h.moid: h.name for h in hosts}) for d in datastores},
        port_groups=groups,
        switches=tuple(sorted(r.name for r in _of(rows, vim.DistributedVirtualSwitch))),
        templates=tuple(
            sorted(r.name for r in _of(rows, vim.VirtualMachine) if r.get("summary.config.template"))
        ),
        used_addresses=_used_addresses(below(session, root, {vim.VirtualMachine: ("name", "guest.net")})),
    )


def port_groups(session: Session, container: Any, networks: Sequence[Row]) -> dict[str, int | None]:
    """Name -> VLAN id of all port groups; None for trunks and for standard port groups.

    Uplink port groups are left out: nothing may be connected to them.
    """
    distributed = below(
        session,
        container,
        {vim.dvs.DistributedVirtualPortgroup: ("name", "config.defaultPortConfig", "config.uplink")},
    )
    uplinks = {r.moid for r in distributed if r.get("config.uplink")}
    vlans = {r.moid: access_vlan(r.get("config.defaultPortConfig")) for r in distributed}
    return {n.name: vlans.get(n.moid) for n in networks if n.moid not in uplinks}


def access_vlan(setting: Any) -> int | None:
    """The VLAN id of a port setting; 0 for untagged, None for trunks and private VLANs."""
    vlan = getattr(setting, "vlan", None)
    if isinstance(vlan, vim.dvs.VmwareDistributedVirtualSwitch.VlanIdSpec):
        return int(vlan.vlanId)
    return None


def _of(rows: Sequence[Row], kind: type[Any]) -> list[Row]:
    return [r for r in rows if isinstance(r.reference, kind)]


def _moids(references: Any) -> tuple[str, ...]:
    return tuple(str(r._moId) for r in references or ())


def _usable(host: Row) -> bool:
    return host.get("runtime.connectionState") == "connected" and not host.get("runtime.inMaintenanceMode")


def _cluster(
    cluster: Row, hosts: Sequence[Row], named: Mapping[str, str], pools: Sequence[Row]
) -> ClusterFacts:
    own = set(_moids(cluster.get("host")))
    usable = [h for h in hosts if h.moid in own and _usable(h)]
    root = cluster.get("resourcePool")
    return ClusterFacts(
        name=cluster.name,
        hosts=tuple(sorted(h.name for h in usable)),
        cpu_mhz=sum(
            h.get("summary.hardware.cpuMhz", 0) * h.get("summary.hardware.numCpuCores", 0) for h in usable
        ),
        memory_mb=sum(h.get("summary.hardware.memorySize", 0) for h in usable) // _MIB,
        datastores=_names(cluster.get("datastore"), named),
        networks=_names(cluster.get("network"), named),
        resource_pools=tuple(
            sorted(
                p.name
                for p in pools
                if _same(p.get("owner"), cluster.reference) and not _same(p.reference, root)
            )
        ),
    )


def _names(references: Any, named: Mapping[str, str]) -> tuple[str, ...]:
    return tuple(sorted(named[m] for m in _moids(references) if m in named))


def _same(one: Any, other: Any) -> bool:
    return one is not None and other is not None and one._moId == other._moId


def _datastore(datastore: Row, host_names: Mapping[str, str]) -> DatastoreFacts:
    mounts = [m for m in datastore.get("host") or () if m.mountInfo.accessible is not False]
    return DatastoreFacts(
        name=datastore.name,
        capacity=datastore.get("summary.capacity", 0),
        free=datastore.get("summary.freeSpace", 0),
        accessible=bool(datastore.get("summary.accessible")),
        hosts=tuple(sorted(host_names[m.key._moId] for m in mounts if m.key._moId in host_names)),
    )


def _used_addresses(machines: Sequence[Row]) -> dict[str, str]:
    return {
        address: machine.name
        for machine in machines
        for adapter in machine.get("guest.net") or ()
        for address in adapter.ipAddress or ()
        if ":" not in address
    }
