"""What a server's VM must look like in vCenter, and how it differs from that. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from viaduct.model.inventory import InstanceVm
from viaduct.model.site import Site
from viaduct.model.tenancy import FlavorSize

GIB = 1 << 30


@dataclass(frozen=True)
class ExpectedVm:
    """``volumes``: sizes of attached volumes in GiB; ``mac`` and ``vlan`` of its only adapter."""

    clusters: frozenset[str]
    datastores: frozenset[str]
    size: FlavorSize
    mac: str
    vlan: int
    on: bool = True
    volumes: tuple[int, ...] = ()


def places(site: Site) -> tuple[frozenset[str], frozenset[str]]:
    """The clusters and the datastores on which tenants' VMs may be."""
    clusters = frozenset(c.cluster for c in site.compute)
    return clusters, frozenset(d for c in site.compute for d in c.datastores)


def differences(vm: InstanceVm | None, expected: ExpectedVm) -> tuple[str, ...]:
    """Sentences; none when vCenter shows what is expected."""
    if vm is None:
        return ("vCenter has no VM with the server's UUID",)
    found: list[str] = []
    if vm.cluster not in expected.clusters:
        found.append(f"the VM is in cluster {vm.cluster!r} instead of {_any_of(expected.clusters)}")
    if vm.power != ("poweredOn" if expected.on else "poweredOff"):
        found.append(f"the VM is {vm.power}")
    if vm.cpus != expected.size.cpus:
        found.append(f"the VM has {vm.cpus} CPUs instead of {expected.size.cpus}")
    if vm.memory_mb != expected.size.memory_mb:
        found.append(f"the VM has {vm.memory_mb} MiB of memory instead of {expected.size.memory_mb}")
    return (*found, *_disk_differences(vm, expected), *_nic_differences(vm, expected))


def describe(vm: InstanceVm | None) -> str:
    """One line of what vCenter shows."""
    if vm is None:
        return "no VM with the server's UUID"
    disks = ", ".join(f"{d.path} ({d.capacity / GIB:g} GiB)" for d in vm.disks) or "none"
    nics = ", ".join(f"{n.mac} on {n.port_group or 'nothing'} (VLAN {n.vlan})" for n in vm.nics) or "none"
    return (
        f"VM {vm.name!r} in cluster {vm.cluster}, host {vm.host}, {vm.power}, {vm.cpus} CPUs, "
        f"{vm.memory_mb} MiB; disks: {disks}; adapters: {nics}"
    )


def _disk_differences(vm: InstanceVm, expected: ExpectedVm) -> list[str]:
    wanted = sorted([expected.size.disk_gb * GIB, *(size * GIB for size in expected.volumes)])
    found: list[str] = []
    if sorted(d.capacity for d in vm.disks) != wanted:
        have = ", ".join(f"{d.capacity / GIB:g}" for d in vm.disks) or "none"
        found.append(f"the VM's disks have {have} GiB instead of {', '.join(f'{w / GIB:g}' for w in wanted)}")
    elsewhere = [d.path for d in vm.disks if _datastore(d.path) not in expected.datastores]
    if elsewhere:
        found.append(f"{', '.join(elsewhere)} is not on {_any_of(expected.datastores)}")
    return found


def _nic_differences(vm: InstanceVm, expected: ExpectedVm) -> list[str]:
    if len(vm.nics) != 1:
        return [f"the VM has {len(vm.nics)} network adapters instead of one"]
    nic, found = vm.nics[0], []
    if nic.mac != expected.mac:
        found.append(f"its adapter has the MAC address {nic.mac} instead of the port's {expected.mac}")
    if nic.vlan != expected.vlan:
        group = nic.port_group or "no port group"
        found.append(
            f"its adapter is on {group} with VLAN {nic.vlan} instead of the network's {expected.vlan}"
        )
    return found


def _datastore(path: str) -> str:
    return path.partition("]")[0].removeprefix("[")


def _any_of(names: frozenset[str]) -> str:
    return " or ".join(sorted(names))
