"""``/nfc``: the disks of a lease, as streamOptimized VMDK files. The URL's token is the entitlement."""

from __future__ import annotations

import asyncio
import hashlib
import uuid
from pathlib import Path

from aiohttp import web

from viaduct_lab.storage.errors import InvalidDisk, StorageError
from viaduct_lab.vcenter.core.center import VCenter
from viaduct_lab.vcenter.http.transfer import receive
from viaduct_lab.vcenter.kinds.http_nfc_lease import HttpNfcLease, Transfer, lease_with
from viaduct_lab.vcenter.vm import disk_users
from viaduct_lab.vcenter.vm.storage_service import fault_of, files_of

_TYPE = "application/x-vnd.vmware-streamVmdk"
_RENEW_SECONDS = 30.0


def add_routes(app: web.Application, center: VCenter) -> None:
    """Mount ``/nfc``."""

    async def serve(request: web.Request) -> web.StreamResponse:
        lease, transfer = _find(request, center)
        keeper = asyncio.create_task(_keep(lease))
        try:
            if request.method in ("PUT", "POST"):
                return await _upload(request, center, lease, transfer)
            if request.method in ("GET", "HEAD"):
                return await _download(center, transfer)
            raise web.HTTPMethodNotAllowed(request.method, ["GET", "HEAD", "PUT", "POST"])
        finally:
            keeper.cancel()
            center.commit()

    app.router.add_route("*", "/nfc/{token}/{name}", serve)


def _find(request: web.Request, center: VCenter) -> tuple[HttpNfcLease, Transfer]:
    lease = lease_with(center, request.match_info["token"])
    transfer = lease.transfers.get(request.match_info["name"]) if lease is not None else None
    if lease is None or transfer is None or lease.state != "ready":
        raise web.HTTPNotFound(text="There is no such lease, or it has ended.")
    return lease, transfer


async def _keep(lease: HttpNfcLease) -> None:
    """A transfer that is going on keeps its lease alive."""
    while True:
        lease.renew()
        await asyncio.sleep(_RENEW_SECONDS)


async def _upload(
    request: web.Request, center: VCenter, lease: HttpNfcLease, transfer: Transfer
) -> web.Response:
    if not lease.importing:
        raise web.HTTPConflict(text="This lease is for reading.")
    files = files_of(center)
    local = files.stores.local(transfer.path)
    upload = local.with_name(f".{local.name}.{uuid.uuid4().hex[:8]}.upload.part")
    lease.uploads_begun += 1
    lease.uploads_running += 1
    try:
        transfer.size = await receive(request, upload)
        transfer.sha1 = await asyncio.to_thread(_sha1, upload)
        await asyncio.to_thread(files.disks.load, transfer.path, upload)
    except StorageError as error:
        lease.failed(fault_of(error))
        status = web.HTTPBadRequest if isinstance(error, InvalidDisk) else web.HTTPConflict
        raise status(text=str(error)) from error
    finally:
        lease.uploads_running -= 1
        upload.unlink(missing_ok=True)
    await disk_users.disk_changed(center, transfer.path)
    return web.Response(status=201)


async def _download(center: VCenter, transfer: Transfer) -> web.StreamResponse:
    if transfer.export is None:
        files = files_of(center)
        local = files.stores.local(transfer.path)
        export = local.with_name(f".{local.name}.{uuid.uuid4().hex[:8]}.export.part")
        try:
            await asyncio.to_thread(files.disks.export, transfer.path, export)
        except StorageError as error:
            export.unlink(missing_ok=True)
            raise web.HTTPConflict(text=str(error)) from error
        transfer.export = export
        transfer.size = export.stat().st_size
        transfer.sha1 = await asyncio.to_thread(_sha1, export)
    return web.FileResponse(transfer.export, chunk_size=1 << 20, headers={"Content-Type": _TYPE})


def _sha1(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.sha1(usedforsecurity=False)).hexdigest()
