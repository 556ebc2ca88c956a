"""``GET /sdk/...``: the service description.

At the usual place lies the one that the settings name; the complete one lies under ``/sdk/complete/`` too.
"""

from __future__ import annotations

import asyncio

from aiohttp import web

from viaduct_lab.config import COMPLETE
from viaduct_lab.vcenter.core.center import VCenter
from viaduct_lab.vcenter.wsdl.service import documents


def add_routes(app: web.Application, center: VCenter) -> None:
    """Mount the files of the description, and ``/sdk/vimService?wsdl``."""
    usual = center.config.wsdl

    async def document(request: web.Request) -> web.Response:
        return await _answer(usual, request.match_info["name"])

    async def complete(request: web.Request) -> web.Response:
        return await _answer(COMPLETE, request.match_info["name"])

    async def service(request: web.Request) -> web.Response:
        if "wsdl" not in request.query:
            raise web.HTTPNotFound(text="Append ?wsdl, or POST a SOAP request.")
        return await _answer(usual, "vimService.wsdl")

    app.router.add_get("/sdk/vimService", service)
    app.router.add_get("/sdk/{name}", document)
    app.router.add_get("/sdk/complete/{name}", complete)


async def _answer(which: str, name: str) -> web.Response:
    found = (await asyncio.to_thread(documents, which)).get(name)
    if found is None:
        raise web.HTTPNotFound(text=f"There is no {name}.")
    return web.Response(body=found, headers={"Content-Type": "text/xml; charset=utf-8"})
