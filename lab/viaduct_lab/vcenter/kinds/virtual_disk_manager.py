"""Virtual disks outside of virtual machines."""

from __future__ import annotations

from typing import Any

from viaduct_lab.storage.paths import DatastorePath
from viaduct_lab.vcenter.core import faults
from viaduct_lab.vcenter.core.kinds import kind
from viaduct_lab.vcenter.core.managed_object import ManagedObject, soap_method, task_method
from viaduct_lab.vcenter.core.types import vim
from viaduct_lab.vcenter.kinds import datastore as datastores
from viaduct_lab.vcenter.vm import disk_users
from viaduct_lab.vcenter.vm.storage_service import blocking, files_of, parse_path

_ADAPTERS = {"lsiLogic": "lsilogic", "busLogic": "buslogic", "ide": "ide"}
_EAGER = frozenset({"eagerZeroedThick"})
_THIN = frozenset({"thin", "sparse2Gb", "delta", "seSparse", "thick2Gb", "sparseMonolithic"})


def _provisioning(disk_type: str | None) -> dict[str, bool]:
    """``thin`` and ``eager`` for a VirtualDiskType; thick is the default."""
    return {"thin": disk_type in _THIN, "eager": disk_type in _EAGER}


@kind
class VirtualDiskManager(ManagedObject):
    """``virtualDiskManager``. Datacenters are not told apart: datastore names are unique here."""

    vim_type = vim.VirtualDiskManager

    @task_method("CreateVirtualDisk_Task")
    async def create(self, call: Any, args: Any, task: Any) -> str:
        """Make an empty disk of ``spec.capacityKb``."""
        path, spec = self._path(args.name, "name"), args.spec
        if getattr(spec, "capacityKb", None) is None:
            raise faults.invalid_argument("spec")
        capacity = int(spec.capacityKb) * 1024
        kind_of = _provisioning(spec.diskType)
        if not kind_of["thin"]:
            datastores.datastore_named(self.center, path.datastore).require(capacity)
        adapter = _ADAPTERS.get(spec.adapterType or "", "lsilogic")
        await blocking(files_of(self.center).disks.create, path, capacity, adapter=adapter, **kind_of)
        datastores.touched(self.center, path)
        return str(path)

    @task_method("CopyVirtualDisk_Task")
    async def copy(self, call: Any, args: Any, task: Any) -> str:
        """Copy a disk of whatever format; the copy is flat."""
        source = self._path(args.sourceName, "sourceName")
        target = self._path(args.destName, "destName")
        options: dict[str, Any] = {}
        if args.destSpec is not None:
            if args.destSpec.diskType not in (None, "", "preallocated"):
                options = _provisioning(args.destSpec.diskType)
            options["adapter"] = _ADAPTERS.get(args.destSpec.adapterType or "")
        disks = files_of(self.center).disks
        await blocking(disks.copy, source, target, force=bool(args.force), **options)
        datastores.touched(self.center, target)
        return str(target)

    @task_method("MoveVirtualDisk_Task")
    async def move(self, call: Any, args: Any, task: Any) -> str:
        """Move or rename a disk."""
        source = self._path(args.sourceName, "sourceName")
        target = self._path(args.destName, "destName")
        disk_users.refuse_if_running(self.center, source)
        await blocking(files_of(self.center).disks.move, source, target, force=bool(args.force))
        datastores.touched(self.center, source, target)
        return str(target)

    @task_method("DeleteVirtualDisk_Task")
    async def delete(self, call: Any, args: Any, task: Any) -> None:
        """Delete a disk."""
        path = self._path(args.name, "name")
        disk_users.refuse_if_running(self.center, path)
        await blocking(files_of(self.center).disks.delete, path)
        datastores.touched(self.center, path)

    @task_method("ExtendVirtualDisk_Task")
    async def extend(self, call: Any, args: Any, task: Any) -> None:
        """Grow a disk to ``newCapacityKb``."""
        path = self._path(args.name, "name")
        disk_users.refuse_if_running(self.center, path)
        disks, capacity = files_of(self.center).disks, int(args.newCapacityKb) * 1024
        info = await blocking(disks.info, path)
        if capacity < info.capacity:
            raise faults.invalid_argument(
                "newCapacityKb", "A virtual disk cannot be made smaller by extending it."
            )
        if not info.thin or args.eagerZero:
            store = datastores.datastore_named(self.center, path.datastore)
            store.require(capacity - info.capacity)
        await blocking(disks.extend, path, capacity)
        await disk_users.disk_changed(self.center, path)
        datastores.touched(self.center, path)

    @task_method("InflateVirtualDisk_Task")
    async def inflate(self, call: Any, args: Any, task: Any) -> None:
        """Make a thin disk thick."""
        await self._become(self._path(args.name, "name"), thin=False, eager=True)

    @task_method("EagerZeroVirtualDisk_Task")
    async def eager_zero(self, call: Any, args: Any, task: Any) -> None:
        """Make a disk eager zeroed thick."""
        await self._become(self._path(args.name, "name"), thin=False, eager=True)

    @task_method("ZeroFillVirtualDisk_Task")
    async def zero_fill(self, call: Any, args: Any, task: Any) -> None:
        """Make a disk eager zeroed thick (what it holds is kept, as an unwritten block reads zero)."""
        await self._become(self._path(args.name, "name"), thin=False, eager=True)

    @task_method("ShrinkVirtualDisk_Task")
    async def shrink(self, call: Any, args: Any, task: Any) -> None:
        """Nothing to give back: unused blocks are never stored."""
        await blocking(files_of(self.center).disks.info, self._path(args.name, "name"))

    @task_method("DefragmentVirtualDisk_Task")
    async def defragment(self, call: Any, args: Any, task: Any) -> None:
        """Nothing to do; the disk must exist."""
        await blocking(files_of(self.center).disks.info, self._path(args.name, "name"))

    @soap_method("QueryVirtualDiskUuid")
    async def query_uuid(self, call: Any, args: Any) -> str:
        """The disk's uuid, written as ``60 00 C2 ...``."""
        path = self._path(args.name, "name")
        info = await blocking(files_of(self.center).disks.info, path)
        digits = info.uuid.replace("-", "")
        pairs = [digits[i : i + 2] for i in range(0, len(digits), 2)]
        return " ".join(pairs[:8]) + "-" + " ".join(pairs[8:])

    @soap_method("SetVirtualDiskUuid")
    async def set_uuid(self, call: Any, args: Any) -> None:
        """Give the disk another uuid."""
        digits = "".join(c for c in (args.uuid or "").lower() if c in "0123456789abcdef")
        if len(digits) != 32:
            raise faults.invalid_argument("uuid")
        dashed = "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]))
        path = self._path(args.name, "name")
        await blocking(files_of(self.center).disks.change, path, uuid=dashed)
        await disk_users.disk_changed(self.center, path)

    @soap_method("QueryVirtualDiskFragmentation")
    async def query_fragmentation(self, call: Any, args: Any) -> int:
        """Always 0 per cent."""
        await blocking(files_of(self.center).disks.info, self._path(args.name, "name"))
        return 0

    @soap_method("QueryVirtualDiskGeometry")
    async def query_geometry(self, call: Any, args: Any) -> Any:
        """Cylinders, heads and sectors."""
        info = await blocking(files_of(self.center).disks.info, self._path(args.name, "name"))
        return vim.host.DiskDimensions.Chs(cylinder=info.capacity // 512 // (255 * 63), head=255, sector=63)

    async def _become(self, path: DatastorePath, *, thin: bool, eager: bool) -> None:
        disks = files_of(self.center).disks
        info = await blocking(disks.info, path)
        if info.thin:
            store = datastores.datastore_named(self.center, path.datastore)
            store.require(info.capacity - info.used)
        await blocking(disks.change, path, thin=thin, eager=eager)
        await disk_users.disk_changed(self.center, path)
        datastores.touched(self.center, path)

    def _path(self, text: str, name: str) -> DatastorePath:
        path = parse_path(text, name)
        datastores.datastore_named(self.center, path.datastore)
        if not path.name.lower().endswith(".vmdk"):
            raise vim.fault.InvalidDatastorePath(
                datastorePath=text, msg=f"{text} does not name a virtual disk (.vmdk)."
            )
        return path
