"""HttpNfcLease: disks in and out of virtual machines over HTTP."""

from __future__ import annotations

import asyncio
import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from viaduct_lab.storage.paths import DatastorePath
from viaduct_lab.vcenter.core import faults
from viaduct_lab.vcenter.core.kinds import extend, kind
from viaduct_lab.vcenter.core.managed_object import ManagedObject, soap_method
from viaduct_lab.vcenter.core.types import Ref, vim
from viaduct_lab.vcenter.kinds import vm_create, vm_lifecycle
from viaduct_lab.vcenter.kinds.folder import Folder
from viaduct_lab.vcenter.kinds.resource_pool import ResourcePool
from viaduct_lab.vcenter.kinds.virtual_machine import VirtualMachine
from viaduct_lab.vcenter.kinds.vm_snapshots import Snapshot
from viaduct_lab.vcenter.vm import editing, making
from viaduct_lab.vcenter.vm.disk_keys import keyed_disks
from viaduct_lab.vcenter.vm.snapshot_tree import file_name
from viaduct_lab.vcenter.vm.state import POWERED_OFF
from viaduct_lab.vcenter.vm.storage_service import blocking, fault_of, files_of

if TYPE_CHECKING:
    from pathlib import Path

    from viaduct_lab.vcenter.core.center import VCenter
    from viaduct_lab.vcenter.core.context import Call

TIMEOUT_SECONDS = 300
_LOOK_SECONDS = 5.0
_GRACE_SECONDS = 1.0
_SETTLE_SECONDS = 0.02


@dataclass
class Transfer:
    """One disk of a lease. ``name`` is the last part of its URL; ``export``: the file made for reading.

    ``sha1`` and ``size`` are of what was transferred.
    """

    name: str
    key: str
    path: DatastorePath
    capacity: int
    export: Path | None = None
    sha1: str = ""
    size: int = 0


@kind
class HttpNfcLease(ManagedObject):
    """A lease. Its ``token``, part of the URLs, is what entitles to transfer."""

    vim_type = vim.HttpNfcLease

    def __init__(self, center: VCenter, moid: str) -> None:
        super().__init__(center, moid)
        self.token = secrets.token_hex(16)
        self.importing = False
        self.state = "initializing"
        self.error: Any = None
        self.percent = 0
        self.machine: VirtualMachine | None = None
        self.transfers: dict[str, Transfer] = {}
        self._deadline = 0.0
        self.uploads_begun = 0
        self.uploads_running = 0

    # life -----------------------------------------------------------------------------------

    def ready(self, machine: VirtualMachine, transfers: list[Transfer]) -> None:
        """Transfers may begin."""
        self.machine = machine
        self.transfers = {transfer.name: transfer for transfer in transfers}
        self.state = "ready"
        self.renew()
        self.center.spawn(self._expire())
        self.notify()

    def failed(self, error: Exception) -> None:
        """Nothing can be transferred (any more)."""
        self.state, self.error = "error", error
        self.notify()

    def renew(self) -> None:
        """Count the lease's time from now."""
        self._deadline = asyncio.get_running_loop().time() + TIMEOUT_SECONDS

    async def received(self) -> None:
        """Wait for the uploads under way.

        Clients end a lease as soon as they have sent the last byte, without waiting for the answer, so bytes
        may be on their way still, and even the request itself.
        """
        grace = asyncio.get_running_loop().time() + _GRACE_SECONDS
        while self.importing and not self.uploads_begun and asyncio.get_running_loop().time() < grace:
            await asyncio.sleep(_SETTLE_SECONDS)
        while self.uploads_running:
            await asyncio.sleep(_SETTLE_SECONDS)

    async def _expire(self) -> None:
        while self.state == "ready":
            await asyncio.sleep(_LOOK_SECONDS)
            if self.state == "ready" and asyncio.get_running_loop().time() > self._deadline:
                self.failed(vim.fault.Timedout(msg="The lease was not used for too long."))
                await self._clean_up()
                self.center.commit()

    async def _clean_up(self) -> None:
        """Remove export files, and what an import that was not completed has made."""
        for transfer in self.transfers.values():
            if transfer.export is not None:
                transfer.export.unlink(missing_ok=True)
                transfer.export = None
        machine = self.machine
        unfinished = self.importing and self.state != "done"
        if unfinished and machine is not None and self.center.registry.get(machine.moid) is machine:
            async with machine.busy:
                if machine.power_state == POWERED_OFF:
                    await vm_lifecycle.remove(machine)

    def removed(self) -> None:
        """The session has ended."""
        if self.state in ("ready", "initializing"):
            self.state = "error"
            self.center.spawn(self._clean_up())

    def require_ready(self) -> None:
        """Raise ``InvalidState`` unless transfers are possible."""
        if self.state != "ready":
            raise vim.fault.InvalidState(msg=f"The lease is in state {self.state}.")

    # properties -----------------------------------------------------------------------------

    def prop_state(self) -> str:
        return self.state

    def prop_mode(self) -> str:
        return "pushOrGet"

    def prop_capabilities(self) -> Any:
        return vim.HttpNfcLease.Capabilities(pullModeSupported=False, corsSupported=False)

    def prop_initializeProgress(self) -> int:
        return 0 if self.state == "initializing" else 100

    def prop_transferProgress(self) -> int:
        return self.percent

    def prop_error(self) -> Any:
        return self.error

    def prop_info(self) -> Any:
        machine = self.machine
        if machine is None:
            return None
        return vim.HttpNfcLease.Info(
            lease=self.ref,
            entity=machine.ref,
            leaseTimeout=TIMEOUT_SECONDS,
            totalDiskCapacityInKB=sum(t.capacity for t in self.transfers.values()) // 1024,
            deviceUrl=[
                vim.HttpNfcLease.DeviceUrl(
                    key=transfer.key.replace(f"/{machine.name}/", f"/{machine.moid}/", 1),
                    importKey=transfer.key,
                    # The star stands for the address at which the client reaches this server.
                    url=f"https://*/nfc/{self.token}/{transfer.name}",
                    sslThumbprint=self.center.thumbprint,
                    disk=True,
                    targetId=transfer.name,
                )
                for transfer in self.transfers.values()
            ],
        )

    # methods --------------------------------------------------------------------------------

    @soap_method("HttpNfcLeaseProgress")
    def progress(self, call: Call, args: Any) -> None:
        """Tell how far the transfer is, and keep the lease alive."""
        self.require_ready()
        if args.percent < 0:
            raise faults.invalid_argument("percent")
        self.renew()
        # oslo.vmware counts read bytes against the capacity, so an incompressible disk exceeds 100.
        self.percent = min(args.percent, 100)
        self.notify("transferProgress")

    @soap_method("HttpNfcLeaseComplete")
    async def complete(self, call: Call, args: Any) -> None:
        """All is transferred."""
        self.require_ready()
        await self.received()
        self.require_ready()
        self.state, self.percent = "done", 100
        if self.importing and self.machine is not None:
            await editing.written(self.machine)
        await self._clean_up()
        self.notify()

    @soap_method("HttpNfcLeaseAbort")
    async def abort(self, call: Call, args: Any) -> None:
        """Give up: an imported machine is destroyed."""
        self.failed(args.fault or vim.fault.Timedout(msg="The lease was aborted by the client."))
        await self._clean_up()

    @soap_method("HttpNfcLeaseGetManifest")
    def manifest(self, call: Call, args: Any) -> list[Any]:
        """Checksums of the disks that were transferred."""
        return [
            vim.HttpNfcLease.ManifestEntry(
                key=transfer.key,
                sha1=transfer.sha1,
                size=transfer.size,
                disk=True,
                capacity=transfer.capacity,
            )
            for transfer in self.transfers.values()
            if transfer.sha1
        ]


def lease_with(center: VCenter, token: str) -> HttpNfcLease | None:
    """The lease with a token, if it is there."""
    for lease in center.registry.of_kind(HttpNfcLease):
        if secrets.compare_digest(lease.token, token):
            return lease
    return None


def _new_lease(center: VCenter, call: Call, *, importing: bool) -> HttpNfcLease:
    session = call.required_session()
    lease = HttpNfcLease(center, f"session[{session.key}]{secrets.token_hex(16)}")
    lease.importing = importing
    center.registry.add(lease)
    session.own(lease)
    return lease


async def _transfers(machine: VirtualMachine, devices: list[Any]) -> list[Transfer]:
    files, found = files_of(machine.center), []
    for number, (key, disk) in enumerate(keyed_disks(machine.name, devices)):
        path = DatastorePath.parse(file_name(disk))
        info = await blocking(files.disks.info, path)
        found.append(Transfer(f"disk-{number}.vmdk", key, path, info.capacity))
    return found


@extend("ResourcePool", "ImportVApp")
async def import_vapp(pool: ResourcePool, call: Call, args: Any) -> Ref:
    """Make a machine whose disks are then uploaded; the lease tells when it is ready."""
    center, spec = pool.center, args.spec
    if not isinstance(spec, vim.vm.VmImportSpec):
        raise faults.not_supported("Only single virtual machines can be imported, not vApps.")
    if args.folder is None:
        raise faults.invalid_argument("folder")
    folder = making.require_vm_folder(center.registry.find(args.folder, Folder))
    target = center.registry.find(spec.resPoolEntity, ResourcePool) if spec.resPoolEntity else pool
    center.naming.checked(None, spec.configSpec.name, parent=folder)
    lease = _new_lease(center, call, importing=True)
    center.spawn(_import(lease, folder, spec.configSpec, target, args.host))
    return lease.ref


async def _import(
    lease: HttpNfcLease, folder: Folder, spec: Any, pool: ResourcePool, host: Ref | None
) -> None:
    try:
        machine = await vm_create.create(folder, spec, pool, host)
        lease.machine = machine
        transfers = await _transfers(machine, machine.state.devices)
        if lease.state == "initializing":
            lease.ready(machine, transfers)
        else:
            await lease._clean_up()
    except faults.MethodFault as fault:
        lease.failed(fault)
    except Exception as error:
        lease.failed(fault_of(error))
        raise
    finally:
        lease.center.commit()


@extend("VirtualMachine", "ExportVm")
async def export_vm(machine: VirtualMachine, call: Call, args: Any) -> Ref:
    """A lease to read the machine's disks."""
    machine.require_power(POWERED_OFF)
    return await _export(machine, call, list(machine.state.devices))


@extend("VirtualMachineSnapshot", "ExportSnapshot")
async def export_snapshot(snapshot: Snapshot, call: Call, args: Any) -> Ref:
    """A lease to read the disks of a snapshot."""
    return await _export(snapshot.machine, call, list(snapshot.node.frozen.devices))


async def _export(machine: VirtualMachine, call: Call, devices: list[Any]) -> Ref:
    transfers = await _transfers(machine, devices)
    lease = _new_lease(machine.center, call, importing=False)
    lease.ready(machine, transfers)
    return lease.ref
