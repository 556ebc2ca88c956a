"""Who may transfer files: the session behind an HTTP request."""

from __future__ import annotations

import base64
import binascii
from http.cookies import CookieError, SimpleCookie

from aiohttp import web

from viaduct_lab.vcenter.core.center import VCenter
from viaduct_lab.vcenter.core.sessions import Session
from viaduct_lab.vcenter.core.types import vim

SESSION_COOKIE = "vmware_soap_session"
TICKET_COOKIE = "vmware_cgi_ticket"


def cookie_value(request: web.Request, name: str) -> str:
    """A cookie's value without the quotes that vSphere clients put around it; empty if absent."""
    for header in request.headers.getall("Cookie", []):
        try:
            morsel = SimpleCookie(header).get(name)
        except CookieError:
            continue
        if morsel is not None:
            return morsel.value.strip('"')
    return ""


def authorize(request: web.Request, center: VCenter) -> Session:
    """The session on whose behalf ``request`` acts.

    By session cookie, by a service ticket (good for one request of its method to its URL path) or by
    HTTP basic authentication. Raises HTTP 401.
    """
    key = cookie_value(request, SESSION_COOKIE)
    session = center.sessions.find(key) if key else None
    if session is None:
        ticket = cookie_value(request, TICKET_COOKIE)
        if ticket:
            session = center.sessions.redeem_ticket(ticket, request.method, str(request.url))
    if session is None:
        session = _basic(request, center)
    if session is None:
        raise web.HTTPUnauthorized(
            headers={"WWW-Authenticate": 'Basic realm="VMware HTTP server"'},
            text="Authentication required",
        )
    center.sessions.touch(session)
    return session


def _basic(request: web.Request, center: VCenter) -> Session | None:
    scheme, _, value = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        user, _, password = base64.b64decode(value).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return None
    address = request.remote or ""
    for session in center.sessions:
        known = session.user_agent == "basic" and session.client_address == address
        if known and center.sessions.check_password(user, password):
            return session
    try:
        return center.sessions.login(user, password, client_address=address, user_agent="basic")
    except vim.fault.InvalidLogin:
        return None
