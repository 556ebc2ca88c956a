"""``POST /sdk``: the SOAP endpoint."""

from __future__ import annotations

import asyncio

from aiohttp import web

from viaduct_lab.vcenter.core.center import VCenter
from viaduct_lab.vcenter.http.auth import SESSION_COOKIE, cookie_value
from viaduct_lab.vcenter.soap.dispatch import LONG_METHODS, Answer, Transport, dispatch

_LONG_MARKS = tuple(name.encode() for name in LONG_METHODS)


def add_routes(app: web.Application, center: VCenter) -> None:
    """Mount the SOAP endpoint under the paths that clients use."""

    async def soap(request: web.Request) -> web.Response:
        return await _soap(request, center)

    for path in ("/sdk", "/sdk/", "/sdk/vimService", "/sdk/vimService/"):
        app.router.add_post(path, soap)


async def _soap(request: web.Request, center: VCenter) -> web.Response:
    body = await request.read()
    headers = request.headers
    transport = Transport(
        action=headers.get("SOAPAction", ""),
        session_key=cookie_value(request, SESSION_COOKIE),
        client_address=request.remote or "",
        user_agent=headers.get("User-Agent", ""),
        host=headers.get("Host", ""),
    )
    answer = await _run(center, body, transport)
    response = web.Response(
        status=answer.status,
        body=answer.body,
        headers={"Content-Type": "text/xml; charset=utf-8", "Cache-Control": "no-cache"},
    )
    if answer.new_session is not None:
        response.headers["Set-Cookie"] = f'{SESSION_COOKIE}="{answer.new_session}"; Path=/; HttpOnly; Secure'
    return response


async def _run(center: VCenter, body: bytes, transport: Transport) -> Answer:
    """Answer the call. A client that hangs up ends its long poll, but never a change half way."""
    if any(mark in body for mark in _LONG_MARKS):
        return await dispatch(center, body, transport)
    return await asyncio.shield(center.spawn(dispatch(center, body, transport)))
