"""Datastores: shared VMFS volumes whose space follows the files that are really there."""

from __future__ import annotations

import asyncio
import uuid
from typing import TYPE_CHECKING, Any, Self

from viaduct_lab.storage.paths import DatastorePath
from viaduct_lab.storage.space import Space, measure
from viaduct_lab.vcenter.core import faults
from viaduct_lab.vcenter.core.kinds import kind, on_build, on_start
from viaduct_lab.vcenter.core.managed_entity import ManagedEntity
from viaduct_lab.vcenter.core.managed_object import refs, soap_method
from viaduct_lab.vcenter.core.types import Ref, vim
from viaduct_lab.vcenter.kinds.datacenter import Datacenter
from viaduct_lab.vcenter.kinds.datastore_browser import DatastoreBrowser
from viaduct_lab.vcenter.kinds.host_system import HostSystem
from viaduct_lab.vcenter.vm.storage_service import blocking, files_of

if TYPE_CHECKING:
    from viaduct_lab.vcenter.core.center import VCenter

_REFRESH_AFTER_S = 1.0
_VMFS_ALIGNMENT = 1 << 20


@kind
class Datastore(ManagedEntity):
    """One datastore; ``name`` is also the name of its folder. ``capacity`` in bytes."""

    vim_type = vim.Datastore
    moid_prefix = "datastore"

    def __init__(self, center: VCenter, moid: str, name: str, parent: str | None, capacity: int) -> None:
        super().__init__(center, moid, name, parent)
        self.capacity = capacity
        self.volume = str(uuid.uuid4())
        self.mounts: tuple[str, ...] = ()
        self.space = Space()
        self._refresh: asyncio.Task[Any] | None = None
        browser = DatastoreBrowser(center, f"datastoreBrowser-{moid}")
        browser.datastore_moids = (moid,)
        self.browser = browser

    @property
    def url(self) -> str:
        """The datastore's URL, as ``summary.url`` shows it."""
        return f"ds:///vmfs/volumes/{self.volume}/"

    @property
    def free(self) -> int:
        """Bytes that are not used."""
        return max(0, self.capacity - self.space.used)

    def root(self) -> DatastorePath:
        """The path of its root folder."""
        return DatastorePath(self.name)

    def hosts(self) -> list[HostSystem]:
        """The hosts that mount it."""
        found = (self.center.registry.get(moid) for moid in self.mounts)
        return [host for host in found if isinstance(host, HostSystem)]

    def mount(self, hosts: list[HostSystem]) -> None:
        """Make ``hosts`` the ones that mount it."""
        self.mounts = tuple(host.moid for host in hosts)
        self.center.relations.assign(self.moid, "datastore.host", self.mounts)
        self.changed("host", "summary")

    def require(self, size: int) -> None:
        """Raise ``NoDiskSpace`` when ``size`` more bytes do not fit."""
        if size > self.free:
            raise vim.fault.NoDiskSpace(
                file=str(self.root()),
                datastore=self.name,
                msg=f"There is not enough space on datastore '{self.name}': "
                f"{size} bytes are needed, {self.free} are free.",
            )

    # space ----------------------------------------------------------------------------------

    async def measure(self) -> None:
        """Count what its files occupy, now."""
        space = await blocking(measure, files_of(self.center), self.name)
        if space != self.space:
            self.space = space
            self.notify("summary", "info")

    def touched(self) -> None:
        """Files have changed: measure again soon, once for many changes."""
        if self._refresh is None or self._refresh.done():
            self._refresh = self.center.spawn(self._measure_soon())

    async def _measure_soon(self) -> None:
        await asyncio.sleep(_REFRESH_AFTER_S)
        self._refresh = None
        await self.measure()
        self.center.commit()

    @soap_method("RefreshDatastore")
    async def refresh(self, call: Any, args: Any) -> None:
        """Bring ``summary`` up to date."""
        await self.measure()

    @soap_method("RefreshDatastoreStorageInfo")
    async def refresh_storage(self, call: Any, args: Any) -> None:
        """Bring ``summary`` up to date."""
        await self.measure()

    def rename(self, name: str) -> None:
        """Refused: every path on it would change."""
        raise faults.not_supported("Renaming a datastore is not simulated.")

    # properties -----------------------------------------------------------------------------

    def prop_summary(self) -> Any:
        return vim.Datastore.Summary(
            datastore=self.ref,
            name=self.prop_name(),
            url=self.url,
            capacity=self.capacity,
            freeSpace=self.free,
            uncommitted=self.space.uncommitted,
            accessible=True,
            multipleHostAccess=len(self.mounts) > 1,
            type="VMFS",
            maintenanceMode="normal",
        )

    def prop_info(self) -> Any:
        return vim.host.VmfsDatastoreInfo(
            name=self.prop_name(),
            url=self.url,
            freeSpace=self.free,
            maxFileSize=64 << 40,
            maxVirtualDiskCapacity=62 << 40,
            maxMemoryFileSize=64 << 40,
            timestamp=self.center.now(),
            maxPhysicalRDMFileSize=64 << 40,
            maxVirtualRDMFileSize=62 << 40,
            vmfs=vim.host.VmfsVolume(
                type="VMFS",
                name=self.prop_name(),
                capacity=self.capacity,
                blockSizeMb=1,
                blockSize=1024,
                maxBlocks=63 << 20,
                majorVersion=6,
                version="6.82",
                uuid=self.volume,
                extent=[
                    vim.host.ScsiDisk.Partition(diskName=f"naa.{self.volume.replace('-', '')}", partition=1)
                ],
                vmfsUpgradable=False,
                ssd=False,
                local=False,
            ),
        )

    def prop_host(self) -> list[Any]:
        return [
            vim.Datastore.HostMount(
                key=host.ref,
                mountInfo=vim.host.MountInfo(
                    path=f"/vmfs/volumes/{self.volume}",
                    accessMode="readWrite",
                    mounted=True,
                    accessible=True,
                ),
            )
            for host in self.hosts()
        ]

    def prop_vm(self) -> list[Ref]:
        return refs(self.sources("vm.datastore"))

    def prop_browser(self) -> Ref:
        return self.browser.ref

    def prop_capability(self) -> Any:
        return vim.Datastore.Capability(
            directoryHierarchySupported=True,
            rawDiskMappingsSupported=True,
            perFileThinProvisioningSupported=True,
            storageIORMSupported=True,
            nativeSnapshotSupported=False,
            topLevelDirectoryCreateSupported=True,
            seSparseSupported=True,
        )

    def related(self, relation: str) -> None:
        if relation == "vm.datastore":
            self.notify("vm")

    # persistence ----------------------------------------------------------------------------

    def save(self) -> dict[str, Any]:
        return {
            **self.entity_state(),
            "capacity": self.capacity,
            "volume": self.volume,
            "mounts": list(self.mounts),
        }

    @classmethod
    def load(cls, center: VCenter, moid: str, state: dict[str, Any]) -> Self:
        obj = cls(center, moid, state["name"], state["parent"], state["capacity"])
        obj.restore_entity(state)
        obj.volume = state["volume"]
        obj.mounts = tuple(state["mounts"])
        return obj

    def restored(self) -> None:
        self.center.registry.add(self.browser)
        self.center.relations.assign(self.moid, "datastore.host", self.mounts)

    def removed(self) -> None:
        self.center.registry.remove(self.browser)


def datastore_named(center: VCenter, name: str) -> Datastore:
    """The datastore called ``name``. Raises ``InvalidDatastore``."""
    for datastore in center.registry.of_kind(Datastore):
        if datastore.name == name:
            return datastore
    raise vim.fault.InvalidDatastore(name=name, msg=f"No datastore is named '{name}'.")


def touched(center: VCenter, *paths: DatastorePath) -> None:
    """Have the datastores of ``paths`` measured again soon."""
    names = {path.datastore for path in paths}
    for datastore in center.registry.of_kind(Datastore):
        if datastore.name in names:
            datastore.touched()


@on_build(30)
def build(center: VCenter) -> None:
    """The datastores of the first inventory, mounted by the hosts of the clusters that list them."""
    layout = center.config.inventory
    datacenter = center.registry.of_kind(Datacenter)[0]
    hosts = {host.name: host for host in center.registry.of_kind(HostSystem)}
    for name in layout.datastores:
        files_of(center).stores.ensure(name)
        moid = center.registry.new_moid(Datastore.moid_prefix)
        datastore = Datastore(
            center, moid, name, datacenter.folder("datastore").moid, layout.datastore_capacity_bytes
        )
        center.registry.add(datastore)
        center.registry.add(datastore.browser)
        names = [h for c in layout.clusters if name in c.datastores for h in c.hosts]
        datastore.mount([hosts[h] for h in dict.fromkeys(names)])


@on_start(30)
async def measure_all(center: VCenter) -> None:
    """Make sure that the folders exist, clear what a dead vCenter left, and count the rest."""
    for datastore in center.registry.of_kind(Datastore):
        files_of(center).stores.ensure(datastore.name)
        await blocking(files_of(center).remove_partial, datastore.name)
        await datastore.measure()
