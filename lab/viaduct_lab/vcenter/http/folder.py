"""``/folder``: datastore files over plain HTTP, at vCenter's address and at each host's."""

from __future__ import annotations

import asyncio
import errno
import html
from urllib.parse import quote

from aiohttp import web

from viaduct_lab.storage.errors import NotFound, StorageError
from viaduct_lab.storage.paths import DatastorePath
from viaduct_lab.vcenter.core.center import VCenter
from viaduct_lab.vcenter.http.auth import authorize
from viaduct_lab.vcenter.http.transfer import local_address, receive
from viaduct_lab.vcenter.kinds.datacenter import Datacenter
from viaduct_lab.vcenter.kinds.datastore import Datastore
from viaduct_lab.vcenter.kinds.host_system import HostSystem
from viaduct_lab.vcenter.vm import disk_users
from viaduct_lab.vcenter.vm.storage_service import files_of

HOST_DATACENTER = "ha-datacenter"
"""The name of the one datacenter that an ESXi host knows."""


def add_routes(app: web.Application, center: VCenter) -> None:
    """Mount ``/folder``."""

    async def serve(request: web.Request) -> web.StreamResponse:
        authorize(request, center)
        try:
            return await _serve(request, center)
        except NotFound as error:
            raise web.HTTPNotFound(text=str(error)) from error
        except StorageError as error:
            raise web.HTTPBadRequest(text=str(error)) from error
        except OSError as error:
            if error.errno in (errno.ENOSPC, errno.EDQUOT):
                raise web.HTTPInsufficientStorage(text="The datastore is full.") from error
            raise

    for path in ("/folder", "/folder/{path:.*}"):
        app.router.add_route("*", path, serve)


async def _serve(request: web.Request, center: VCenter) -> web.StreamResponse:
    _check_datacenter(request, center)
    name = request.query.get("dsName")
    if name is None:
        if request.method not in ("GET", "HEAD"):
            raise web.HTTPBadRequest(text="dsName is missing.")
        stores = center.registry.of_kind(Datastore)
        return _page("Datastores", [(s.name, f"/folder?dsName={quote(s.name)}") for s in stores])
    store = _datastore(request, center, name)
    path = DatastorePath.of(store.name, request.match_info.get("path", ""))
    match request.method:
        case "GET" | "HEAD":
            return _download(request, center, path)
        case "PUT" | "POST":
            return await _upload(request, center, store, path)
        case "DELETE":
            return await _delete(center, store, path)
    raise web.HTTPMethodNotAllowed(request.method, ["GET", "HEAD", "PUT", "POST", "DELETE"])


def _check_datacenter(request: web.Request, center: VCenter) -> None:
    wanted = request.query.get("dcPath")
    if wanted is None or wanted == HOST_DATACENTER:
        return
    for datacenter in center.registry.of_kind(Datacenter):
        above = [entity.name for entity in datacenter.ancestors()][-2::-1]
        if wanted.strip("/") == "/".join([*above, datacenter.name]):
            return
    raise web.HTTPNotFound(text=f"No datacenter has the path {wanted!r}.")


def _datastore(request: web.Request, center: VCenter, name: str) -> Datastore:
    """The datastore; at a host's address only those that the host mounts exist."""
    address = local_address(request)
    for store in center.registry.of_kind(Datastore):
        if store.name != name:
            continue
        hosts = center.registry.of_kind(HostSystem)
        here = next((host for host in hosts if host.name == address), None)
        if here is None or here in store.hosts():
            return store
    raise web.HTTPNotFound(text=f"No datastore named {name!r} can be reached here.")


def _download(request: web.Request, center: VCenter, path: DatastorePath) -> web.StreamResponse:
    files = files_of(center)
    local = files.stores.local(path)
    if local.is_dir():
        entries = files.listing(path)
        query = f"?{request.query_string}"
        return _page(
            f"Index of {path}",
            [(e.path.name + "/" * e.folder, f"/folder/{quote(e.path.path)}{query}") for e in entries],
        )
    if not local.is_file():
        raise NotFound(path)
    return web.FileResponse(local, chunk_size=1 << 20, headers={"Content-Type": "application/octet-stream"})


async def _upload(
    request: web.Request, center: VCenter, store: Datastore, path: DatastorePath
) -> web.Response:
    files = files_of(center)
    local = files.stores.local(path)
    if not path.path or local.is_dir():
        raise web.HTTPConflict(text=f"{path} is a folder.")
    if any(parent.is_file() for parent in local.parents):
        raise web.HTTPConflict(text=f"A folder of {path} is a file.")
    _refuse_locked(center, path)
    length = request.content_length
    if length is not None and length > store.free:
        raise web.HTTPInsufficientStorage(text=f"Datastore {store.name} is full.")
    existed = local.exists()
    # As vSphere does: missing folders on the way are made.
    await asyncio.to_thread(local.parent.mkdir, parents=True, exist_ok=True)
    await receive(request, local)
    store.touched()
    return web.Response(status=200 if existed else 201)


def _refuse_locked(center: VCenter, path: DatastorePath) -> None:
    """409 for the content of a disk that a running machine uses."""
    stem = path.name.removesuffix(".vmdk").removesuffix("-flat")
    for machine, _ in disk_users.users(center, path.sibling(f"{stem}.vmdk")):
        if machine.power_state != "poweredOff":
            raise web.HTTPConflict(text=f"{path} is in use by {machine.name}.")


async def _delete(center: VCenter, store: Datastore, path: DatastorePath) -> web.Response:
    if not path.path:
        raise web.HTTPConflict(text="The root of a datastore cannot be deleted.")
    _refuse_locked(center, path)
    await asyncio.to_thread(files_of(center).delete, path)
    store.touched()
    return web.Response(status=204)


def _page(title: str, links: list[tuple[str, str]]) -> web.Response:
    rows = "\n".join(
        f'<tr><td><a href="{html.escape(url)}">{html.escape(text)}</a></td></tr>' for text, url in links
    )
    body = (
        f"<!DOCTYPE html><html><head><title>{html.escape(title)}</title></head>"
        f"<body><h1>{html.escape(title)}</h1><table>\n{rows}\n</table></body></html>"
    )
    return web.Response(text=body, content_type="text/html")
