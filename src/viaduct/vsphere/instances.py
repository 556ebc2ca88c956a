"""Tenants' VMs as vCenter has them: what a cloud's verification compares with what OpenStack says."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pyVmomi import vim

from viaduct.errors import VCenterTaskFailed
from viaduct.model.inventory import (
    COMPUTE_EXTENSION,
    STORAGE_EXTENSION,
    InstanceDisk,
    InstanceNic,
    InstanceVm,
    ManagedVm,
)
from viaduct.model.site import Site
from viaduct.vsphere import places, wait
from viaduct.vsphere.collect import Row, below, of, one
from viaduct.vsphere.facts import access_vlan, port_groups
from viaduct.vsphere.session import Session

_Card = vim.vm.device.VirtualEthernetCard


def instance(session: Session, uuid: str) -> InstanceVm | None:
    """The VM with that instance UUID, or None. Nova gives a server's UUID, Cinder a volume's."""
    found = session.content.searchIndex.FindAllByUuid(None, uuid, True, True)
    if not found:
        return None
    machine = one(
        session,
        found[0],
        (
            "name",
            "runtime.host",
            "runtime.powerState",
            "resourcePool",
            "config.hardware.numCPU",
            "config.hardware.memoryMB",
            "config.hardware.device",
        ),
    )
    if machine is None:
        return None
    devices = machine.get("config.hardware.device") or ()
    return InstanceVm(
        instance_uuid=uuid,
        name=machine.name,
        cluster=_cluster(session, machine.get("resourcePool")),
        host=_name(session, machine.get("runtime.host")),
        power=str(machine.get("runtime.powerState", "")),
        cpus=machine.get("config.hardware.numCPU", 0),
        memory_mb=machine.get("config.hardware.memoryMB", 0),
        disks=tuple(_disk(d) for d in devices if isinstance(d, vim.vm.device.VirtualDisk)),
        nics=_nics(session, [d for d in devices if isinstance(d, _Card)]),
        cdrom_iso=next((iso for d in devices if (iso := _iso(d))), ""),
    )


def managed_vms(session: Session) -> tuple[ManagedVm, ...]:
    """All VMs that OpenStack's compute and storage services made, by name."""
    rows = below(
        session,
        session.content.rootFolder,
        {vim.VirtualMachine: ("name", "config.managedBy", "config.instanceUuid")},
    )
    found = [
        ManagedVm(r.name, r.get("config.instanceUuid", ""), r.get("config.managedBy").extensionKey)
        for r in rows
        if r.get("config.managedBy") is not None
        and r.get("config.managedBy").extensionKey in (COMPUTE_EXTENSION, STORAGE_EXTENSION)
    ]
    return tuple(sorted(found, key=lambda vm: vm.name))


def port_group_vlans(session: Session, site: Site) -> dict[str, int | None]:
    """Name -> access VLAN (None: trunk) of the datacenter's port groups."""
    home = places.datacenter(session, site).reference
    return port_groups(session, home, below(session, home, {vim.Network: ("name",)}))


def entries(
    session: Session, site: Site, datastore: str, directory: str, patterns: Sequence[str]
) -> list[str]:
    """Names of files and folders in a datastore's directory that match one of the glob patterns."""
    home = places.datacenter(session, site)
    store = places.Places(session, home, site).datastore(datastore, "compute.datastores")
    row = one(session, store, ("browser",))
    browser = row.get("browser") if row is not None else None
    if browser is None:
        return []
    spec = vim.host.DatastoreBrowser.SearchSpec(matchPattern=list(patterns))
    where = f"[{datastore}] {directory}".rstrip()
    try:
        task = browser.SearchDatastore_Task(where, spec)
        result = wait.task(session, task, f"list {where}")
    except (vim.fault.FileNotFound, VCenterTaskFailed) as problem:
        if isinstance(problem, VCenterTaskFailed) and problem.fault != "FileNotFound":
            raise
        return []
    return [f.path for f in result.file or ()]


def delete_directory(session: Session, site: Site, path: str) -> None:
    """Remove a datastore path (``[ds] directory``) with all below it; nothing there is no error."""
    home = places.datacenter(session, site)
    try:
        task = session.content.fileManager.DeleteDatastoreFile_Task(path, home.reference)
        wait.task(session, task, f"delete {path}")
    except VCenterTaskFailed as problem:
        if problem.fault != "FileNotFound":
            raise


def _disk(device: Any) -> InstanceDisk:
    capacity = device.capacityInBytes or (device.capacityInKB or 0) * 1024
    return InstanceDisk(getattr(device.backing, "fileName", ""), int(capacity))


def _iso(device: Any) -> str:
    backing = getattr(device, "backing", None)
    if isinstance(device, vim.vm.device.VirtualCdrom) and isinstance(
        backing, vim.vm.device.VirtualCdrom.IsoBackingInfo
    ):
        return str(backing.fileName or "")
    return ""


def _nics(session: Session, cards: Sequence[Any]) -> tuple[InstanceNic, ...]:
    keys = {key for c in cards if (key := _port_group_key(c))}
    groups: list[Row] = []
    if keys:
        groups = below(
            session,
            session.content.rootFolder,
            {vim.dvs.DistributedVirtualPortgroup: ("key", "name", "config.defaultPortConfig")},
        )
    by_key = {g.get("key"): g for g in groups if g.get("key") in keys}
    return tuple(_nic(c, by_key) for c in sorted(cards, key=lambda c: c.key))


def _port_group_key(card: Any) -> str:
    if isinstance(card.backing, _Card.DistributedVirtualPortBackingInfo):
        return str(card.backing.port.portgroupKey or "")
    return ""


def _nic(card: Any, groups: dict[str, Row]) -> InstanceNic:
    mac = (card.macAddress or "").lower()
    group = groups.get(_port_group_key(card))
    if group is not None:
        return InstanceNic(mac, group.name, access_vlan(group.get("config.defaultPortConfig")))
    return InstanceNic(mac, str(getattr(card.backing, "deviceName", "") or ""), None)


def _cluster(session: Session, pool: Any) -> str:
    row = one(session, pool, ("owner",)) if pool is not None else None
    return _name(session, row.get("owner")) if row is not None else ""


def _name(session: Session, entity: Any) -> str:
    if entity is None:
        return ""
    rows = of(session, [entity], vim.ManagedEntity, ("name",))
    return rows[0].name if rows else ""
