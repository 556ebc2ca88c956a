"""Clients of the simulated vCenter; every response that they get is checked against the official schema."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from official_schema import problems
from oslo_vmware import service as oslo_service
from pyVim.connect import Disconnect, SmartConnect
from pyVmomi import SoapAdapter, vim

from vcenter_server import PASSWORD, USER, VCenterProcess, fresh_vcenter, vcenter

__all__ = ["fresh_vcenter", "vcenter"]

_found: list[str] = []


def _check(body: bytes) -> None:
    _found.extend(problems(body))


@pytest.fixture(scope="session", autouse=True)
def _watch_responses() -> Iterator[None]:
    """Look at what pyVmomi and oslo.vmware receive."""
    patch = pytest.MonkeyPatch()
    pyvmomi_read = SoapAdapter.SoapResponseDeserializer.Deserialize
    oslo_send = oslo_service.RequestsTransport.send

    def read(self: Any, response: Any, *args: Any, **kwargs: Any) -> Any:
        body = response.read() if hasattr(response, "read") else response
        _check(body if isinstance(body, bytes) else body.encode())
        return pyvmomi_read(self, io.BytesIO(body), *args, **kwargs)

    def send(self: Any, request: Any) -> Any:
        reply = oslo_send(self, request)
        _check(reply.message)
        return reply

    patch.setattr(SoapAdapter.SoapResponseDeserializer, "Deserialize", read)
    patch.setattr(oslo_service.RequestsTransport, "send", send)
    yield
    patch.undo()


@pytest.fixture(autouse=True)
def _official() -> Iterator[None]:
    """Fail the test if a response of its was not as the official schema wants it."""
    _found.clear()
    yield
    assert not _found, _found[:5]


Connect = Callable[..., Any]


def _login(server: VCenterProcess) -> Any:
    return SmartConnect(
        host=server.host,
        port=server.port,
        user=USER,
        pwd=PASSWORD,
        sslContext=server.client_context(),
    )


@pytest.fixture
def connect() -> Iterator[Connect]:
    """``connect(server)`` gives a pyVmomi ServiceInstance, logged in; it is logged out afterwards."""
    made: list[Any] = []

    def open_session(server: VCenterProcess) -> Any:
        made.append(_login(server))
        return made[-1]

    yield open_session
    for instance in made:
        try:
            Disconnect(instance)
        except Exception:  # the server may be gone by now, or the session
            continue


_shared: list[Any] = []


@pytest.fixture
def si(vcenter: VCenterProcess) -> Any:
    """A pyVmomi session on the shared server, which the tests share as long as it lives."""
    if not _shared or _is_logged_out(_shared[0]):
        _shared[:] = [_login(vcenter)]
    return _shared[0]


def _is_logged_out(instance: Any) -> bool:
    try:
        return instance.content.sessionManager.currentSession is None
    except vim.fault.NotAuthenticated:
        return True
