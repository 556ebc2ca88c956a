"""VirtualMachine: identity, place, properties and persistence. What it can do is in ``vm_*``."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Self

from viaduct_lab.storage.paths import DatastorePath
from viaduct_lab.vcenter.core import faults
from viaduct_lab.vcenter.core.kinds import kind
from viaduct_lab.vcenter.core.managed_entity import ManagedEntity
from viaduct_lab.vcenter.core.types import Ref, vim
from viaduct_lab.vcenter.kinds.datastore import Datastore, datastore_named
from viaduct_lab.vcenter.kinds.host_system import HostSystem
from viaduct_lab.vcenter.kinds.resource_pool import ResourcePool
from viaduct_lab.vcenter.vm import (
    config_view,
    disk_work,
    files_view,
    layout,
    networks,
    placing,
    storage_service,
    summary_view,
)
from viaduct_lab.vcenter.vm.snapshot_tree import Tree, file_name
from viaduct_lab.vcenter.vm.state import POWERED_ON, VmState

if TYPE_CHECKING:
    from viaduct_lab.vcenter.core.center import VCenter

_FILE_KINDS = {
    ".vmx": "config",
    ".nvram": "nvram",
    ".vmsd": "snapshotList",
    ".vmxf": "extendedConfig",
    ".log": "log",
    ".vmss": "suspend",
}


@kind
class VirtualMachine(ManagedEntity):
    """A virtual machine or template.

    ``host_moid`` and ``pool_moid`` say where it is registered (a template has no pool). ``busy`` is held by
    whoever changes it in several steps.
    """

    vim_type = vim.VirtualMachine
    moid_prefix = "vm"

    def __init__(self, center: VCenter, moid: str, name: str, parent: str | None, state: VmState) -> None:
        super().__init__(center, moid, name, parent)
        self.state = state
        self.busy = asyncio.Lock()
        self.host_moid: str | None = None
        self.pool_moid: str | None = None
        self.snapshots = Tree()
        self.measured = files_view.VmFiles()

    # what other kinds read ------------------------------------------------------------------

    @property
    def memory_mb(self) -> int:
        """Configured memory."""
        return self.state.hardware.memory_mb

    @property
    def cpus(self) -> int:
        """Configured CPUs."""
        return self.state.hardware.cpus

    @property
    def power_state(self) -> str:
        """``poweredOn``, ``poweredOff`` or ``suspended``."""
        return self.state.power.state

    @property
    def uuid(self) -> str:
        """Its BIOS UUID."""
        return self.state.hardware.uuid

    @property
    def instance_uuid(self) -> str:
        """Its UUID in this vCenter: what clients search by."""
        return self.state.hardware.instance_uuid

    @property
    def is_template(self) -> bool:
        """Whether it is a template."""
        return self.state.hardware.template

    @property
    def is_guest(self) -> bool:
        """Whether it runs (or is suspended) as a guest of the lab's runtime."""
        return self.state.power.guest

    @property
    def folder(self) -> DatastorePath:
        """The folder of its configuration file."""
        return self.state.hardware.folder

    @property
    def host(self) -> HostSystem | None:
        """The host that it is registered on."""
        found = self.center.registry.get(self.host_moid or "")
        return found if isinstance(found, HostSystem) else None

    @property
    def pool(self) -> ResourcePool | None:
        """Its resource pool; the cluster's root pool if its own has gone; None for a template."""
        if self.is_template:
            return None
        found = self.center.registry.get(self.pool_moid or "")
        if isinstance(found, ResourcePool):
            return found
        return placing.root_pool(self.host)

    def datastores(self) -> list[Datastore]:
        """The datastores that it has files on."""
        names = [self.folder.datastore]
        for device in self.state.devices:
            name = getattr(device.backing, "fileName", None)
            if name and name.startswith("["):
                names.append(DatastorePath.parse(name).datastore)
        found = {store.name: store for store in self.center.registry.of_kind(Datastore)}
        return [found[name] for name in dict.fromkeys(names) if name in found]

    # checks ---------------------------------------------------------------------------------

    def require_alive(self) -> None:
        """Raise ``ManagedObjectNotFound`` if it has been destroyed meanwhile."""
        if self.center.registry.get(self.moid) is not self:
            raise faults.not_found(self.ref)

    def require_power(self, wanted: str, requested: str | None = None) -> None:
        """Raise ``InvalidPowerState`` unless the power state is ``wanted``."""
        if self.power_state != wanted:
            raise vim.fault.InvalidPowerState(
                requestedState=requested or wanted,
                existingState=self.power_state,
                msg=f"The attempted operation cannot be performed in the current state ({self.power_state}).",
            )

    def require_no_template(self) -> None:
        """Raise ``NotSupported`` for a template."""
        if self.is_template:
            raise faults.not_supported("The operation is not supported on a template.")

    # changes --------------------------------------------------------------------------------

    def state_changed(self, *names: str) -> None:
        """The state is another: tell of ``names``, count the version, bring relations up to date."""
        self.state.hardware.change_version += 1
        self.state.modified = self.center.now()
        self.relate()
        self.changed(*names)

    def power_changed(self) -> None:
        """The power state is another."""
        on = self.power_state == POWERED_ON
        for device in self.state.devices:
            if device.connectable is not None:
                device.connectable.connected = bool(on and device.connectable.startConnected)
                device.connectable.status = "ok" if on else "untried"
        self.changed("runtime", "summary", "guest", "guestHeartbeatStatus", "config")
        if self.host is not None:
            self.host.load_changed()

    def guest_changed(self) -> None:
        """What is known of the guest is another."""
        self.notify("guest", "summary", "guestHeartbeatStatus")

    def relate(self) -> None:
        """Assign the relations to host, pool, datastores and networks."""
        relations, pool = self.center.relations, self.pool
        relations.assign(self.moid, "vm.host", [self.host_moid] if self.host_moid else [])
        relations.assign(self.moid, "vm.resourcePool", [pool.moid] if pool is not None else [])
        stores = [store.moid for store in self.datastores()]
        relations.assign(self.moid, "vm.datastore", stores)
        found = networks.connected(self.center, self.state.devices)
        relations.assign(self.moid, "vm.network", [network.moid for network in found])

    def complete_disks(self, known: dict[int, Any]) -> None:
        """Show in the disks with these keys what ``known`` (DiskInfo) says of their files."""
        for disk in layout.disks(self.state.devices):
            info = known.get(disk.key)
            if info is not None:
                store = datastore_named(self.center, info.path.datastore)
                disk_work.fill(disk, info, store.ref)

    def disk_paths(self) -> list[DatastorePath]:
        """All disks: the present ones and those of its snapshots."""
        devices = [*layout.disks(self.state.devices)]
        for node in self.snapshots:
            devices += layout.disks(node.frozen.devices)
        return list(dict.fromkeys(DatastorePath.parse(file_name(d)) for d in devices))

    def plain_files(self) -> dict[DatastorePath, str]:
        """The files besides disks that may exist, with their kinds."""
        stem = self.state.hardware.vmx.rpartition(".")[0]
        names = {f"{stem}{suffix}": kind_of for suffix, kind_of in _FILE_KINDS.items()}
        names["vmware.log"] = "log"
        found = {self.folder / name: kind_of for name, kind_of in names.items()}
        for device in self.state.devices:
            name = getattr(device.backing, "fileName", None)
            if isinstance(device, vim.vm.device.VirtualSerialPort) and name:
                found[DatastorePath.parse(name)] = "log"
        return found

    async def measure(self) -> None:
        """Count the space of its files, and of the datastores that they lie on, again."""
        files = storage_service.files_of(self.center)
        self.measured = await storage_service.blocking(
            files_view.measure, files, self.plain_files(), self.disk_paths(), self.center.now()
        )
        self.notify("layoutEx", "storage", "summary")
        for store in self.datastores():
            store.touched()

    # properties -----------------------------------------------------------------------------

    def prop_config(self) -> Any:
        urls = [(store.name, store.url) for store in self.datastores()]
        return config_view.config_info(self.state, self.name, urls)

    def prop_capability(self) -> Any:
        return config_view.capability(self.state)

    def prop_runtime(self) -> Any:
        host = self.host
        connected = host is not None and host.state.connection == "connected"
        return summary_view.runtime(self.state, host.ref if host else None, connected)

    def prop_summary(self) -> Any:
        return summary_view.summary(
            self.state,
            self.name,
            self.ref,
            self.prop_runtime(),
            self.measured.usage(),
            self.center.now(),
        )

    def prop_guest(self) -> Any:
        names = networks.names(self.center, self.state.devices)
        return summary_view.guest_info(self.state, names)

    def prop_guestHeartbeatStatus(self) -> str:
        return summary_view.heartbeat(self.state)

    def prop_resourcePool(self) -> Ref | None:
        pool = self.pool
        return pool.ref if pool is not None else None

    def prop_resourceConfig(self) -> Any:
        return config_view.resource_config(self.state, self.ref)

    def prop_datastore(self) -> list[Ref]:
        return [store.ref for store in self.datastores()]

    def prop_network(self) -> list[Ref]:
        return [n.ref for n in networks.connected(self.center, self.state.devices)]

    def prop_snapshot(self) -> Any:
        return self.snapshots.view(self.ref)

    def prop_rootSnapshot(self) -> list[Ref]:
        return [vim.vm.Snapshot(node.moid) for node in self.snapshots.children(None)]

    def prop_layoutEx(self) -> Any:
        def pairs(devices: list[Any]) -> list[tuple[int, DatastorePath]]:
            disks = layout.disks(devices)
            return [(disk.key, DatastorePath.parse(file_name(disk))) for disk in disks]

        frozen = [(vim.vm.Snapshot(node.moid), pairs(node.frozen.devices)) for node in self.snapshots]
        return files_view.layout_ex(self.measured, pairs(self.state.devices), frozen)

    def prop_storage(self) -> Any:
        stores = {store.name: store.ref for store in self.datastores()}
        return files_view.storage_info(self.measured, stores)

    def prop_environmentBrowser(self) -> Ref | None:
        host = self.host
        cluster = host.parent if host is not None else None
        found: Ref | None = cluster.read("environmentBrowser") if cluster is not None else None
        return found

    # persistence ----------------------------------------------------------------------------

    def save(self) -> dict[str, Any]:
        return {
            **self.entity_state(),
            "state": self.state.save(),
            "host": self.host_moid,
            "pool": self.pool_moid,
            "snapshots": self.snapshots.save(),
        }

    @classmethod
    def load(cls, center: VCenter, moid: str, state: dict[str, Any]) -> Self:
        machine = cls(center, moid, state["name"], state["parent"], VmState.load(state["state"]))
        machine.restore_entity(state)
        machine.host_moid, machine.pool_moid = state["host"], state["pool"]
        machine.snapshots = Tree.load(state["snapshots"])
        return machine

    def restored(self) -> None:
        self.relate()
        self.restore_snapshots()

    def restore_snapshots(self) -> None:
        """Make the managed objects of the snapshots that have none."""
        from viaduct_lab.vcenter.kinds.vm_snapshots import Snapshot

        for node in self.snapshots:
            if self.center.registry.get(node.moid) is None:
                self.center.registry.add(Snapshot(self.center, node.moid, self.moid))

    def removed(self) -> None:
        for node in self.snapshots:
            found = self.center.registry.get(node.moid)
            if found is not None:
                self.center.registry.remove(found)
