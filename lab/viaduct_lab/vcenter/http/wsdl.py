"""``GET /sdk/...``: the service description."""

from __future__ import annotations

import asyncio

from aiohttp import web

from viaduct_lab.vcenter.core.center import VCenter
from viaduct_lab.vcenter.wsdl.service import documents


def add_routes(app: web.Application, center: VCenter) -> None:
    """Mount the files of the description, and ``/sdk/vimService?wsdl``."""
    app.router.add_get("/sdk/vimService", _service)
    app.router.add_get("/sdk/{name}", _document)


async def _document(request: web.Request) -> web.Response:
    return await _answer(request.match_info["name"])


async def _service(request: web.Request) -> web.Response:
    if "wsdl" not in request.query:
        raise web.HTTPNotFound(text="Append ?wsdl, or POST a SOAP request.")
    return await _answer("vimService.wsdl")


async def _answer(name: str) -> web.Response:
    found = (await asyncio.to_thread(documents)).get(name)
    if found is None:
        raise web.HTTPNotFound(text=f"There is no {name}.")
    return web.Response(body=found, headers={"Content-Type": "text/xml; charset=utf-8"})
