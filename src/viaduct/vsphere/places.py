"""Finding the vSphere objects that a site file names."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pyVmomi import vim

from viaduct.errors import SiteFileError, VCenterError
from viaduct.model.site import Site
from viaduct.vsphere.collect import Row, below, of, one
from viaduct.vsphere.session import Session

_KINDS = {
    vim.ClusterComputeResource: ("name", "resourcePool"),
    vim.ResourcePool: ("name", "owner"),
    vim.Datastore: ("name",),
    vim.VirtualMachine: ("name", "summary.config.template"),
    vim.DistributedVirtualSwitch: ("name", "uuid"),
}


class Places:
    """What a site's nodes are made from and put on, found by name in two bulk reads.

    Every method raises SiteFileError, naming the field and what there is instead, when the name fits nothing.
    """

    def __init__(self, session: Session, home: Row, site: Site) -> None:
        self._site = site
        self._rows = below(session, home.reference, _KINDS)
        self._networks = below(session, home.reference, {vim.Network: ("name",)})
        self._session = session

    def pool(self) -> Any:
        """The resource pool for nodes: the named one, or the management cluster's root pool."""
        wanted = self._site.management
        cluster = _single(
            self._of(vim.ClusterComputeResource), wanted.cluster, "cluster", "management.cluster"
        )
        if wanted.resource_pool is None:
            return cluster.get("resourcePool")
        own = [p for p in self._of(vim.ResourcePool) if _moid(p.get("owner")) == cluster.moid]
        return _single(own, wanted.resource_pool, "resource pool", "management.resource_pool").reference

    def datastore(self, name: str, field: str) -> Any:
        """The datastore of that name; ``field`` is where the site file names it."""
        return _single(self._of(vim.Datastore), name, "datastore", field).reference

    def template(self) -> Row:
        """The appliance's template (or VM)."""
        name = self._site.template
        return _single(self._of(vim.VirtualMachine), name, "template", "appliance.template")

    def network_backing(self, name: str, field: str) -> Any:
        """What an adapter on the port group of that name is backed by, distributed or standard."""
        network = _single(self._networks, name, "port group", field).reference
        card = vim.vm.device.VirtualEthernetCard
        if not isinstance(network, vim.dvs.DistributedVirtualPortgroup):
            return card.NetworkBackingInfo(deviceName=name, network=network)
        group = one(self._session, network, ("key", "config.distributedVirtualSwitch"))
        switch = _moid(group.get("config.distributedVirtualSwitch")) if group is not None else None
        found = next((s for s in self._of(vim.DistributedVirtualSwitch) if s.moid == switch), None)
        if group is None or found is None:
            raise VCenterError(f"Port group {name} was removed from vCenter meanwhile.", "Run again.")
        return card.DistributedVirtualPortBackingInfo(
            port=vim.dvs.PortConnection(switchUuid=found.get("uuid"), portgroupKey=group.get("key"))
        )

    def _of(self, kind: type[Any]) -> list[Row]:
        return [r for r in self._rows if isinstance(r.reference, kind)]


def escaped(name: str) -> str:
    """A name as vCenter keeps it: ``%``, ``/`` and ``\\`` are escaped."""
    return name.replace("%", "%25").replace("/", "%2f").replace("\\", "%5c")


def datacenter(session: Session, site: Site) -> Row:
    """The site's datacenter with its ``vmFolder``. Raises SiteFileError."""
    rows = below(session, session.content.rootFolder, {vim.Datacenter: ("name", "vmFolder", "parent")})
    return _single(rows, site.datacenter, "datacenter", "datacenter")


def inventory_path(session: Session, home: Row) -> str:
    """The datacenter's path below the root folder, as ``/folder?dcPath=`` wants it (not yet URL-encoded)."""
    rows = below(session, session.content.rootFolder, {vim.Folder: ("name", "parent")})
    folders = {r.moid: r for r in rows}
    parts = [home.get("name", "")]
    above = folders.get(_moid(home.get("parent")) or "")
    while above is not None:
        parts.append(above.get("name", ""))
        above = folders.get(_moid(above.get("parent")) or "")
    return "/".join(reversed(parts))


def folder(session: Session, home: Row, path: str) -> Any | None:
    """The VM folder at ``path`` below the datacenter's VM folder, or None."""
    current = home.get("vmFolder")
    for part in _parts(path):
        current = child(session, current, part)
        if not isinstance(current, vim.Folder):
            return None
    return current


def ensure_folder(session: Session, home: Row, path: str) -> Any:
    """As :func:`folder`, making what is missing."""
    current = home.get("vmFolder")
    for part in _parts(path):
        found = child(session, current, part)
        if found is None:
            try:
                found = current.CreateFolder(escaped(part))
            except vim.fault.DuplicateName as there:
                found = there.object
        if not isinstance(found, vim.Folder):
            raise VCenterError(
                f"The VM folder {path} cannot be made: {part} exists in vCenter and is not a folder.",
                "Rename it in vCenter, or choose another management.folder in the site file.",
            )
        current = found
    return current


def child(session: Session, parent: Any, name: str) -> Any | None:
    """The entity of that name directly in a folder, or None."""
    row = one(session, parent, ("childEntity",))
    children = (row.get("childEntity") if row is not None else None) or ()
    named = of(session, children, vim.ManagedEntity, ("name",))
    return next((r.reference for r in named if r.name == name), None)


def _moid(reference: Any) -> str | None:
    return str(reference._moId) if reference is not None else None


def _parts(path: str) -> list[str]:
    return [p for p in path.split("/") if p]


def _single(rows: Sequence[Row], name: str, kind: str, field: str) -> Row:
    found = [r for r in rows if r.name == name]
    if len(found) == 1:
        return found[0]
    if found:
        raise SiteFileError(
            f"{field}: the vCenter has {len(found)} objects of kind {kind} named {name!r}.",
            "Rename all but one of them in vCenter.",
        )
    there = ", ".join(sorted(r.name for r in rows)[:12]) or "none"
    raise SiteFileError(
        f"{field}: the vCenter has no {kind} named {name!r}.", f"Name one of those that it has: {there}."
    )
