"""From a request's bytes to the response's bytes."""

from __future__ import annotations

import asyncio
import functools
import inspect
import logging
import re
import sys
import traceback
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from viaduct_lab.vcenter.core import faults
from viaduct_lab.vcenter.core.context import Call, current_call
from viaduct_lab.vcenter.core.managed_object import ManagedObject
from viaduct_lab.vcenter.core.types import API_VERSION, support
from viaduct_lab.vcenter.soap import envelope
from viaduct_lab.vcenter.soap.parse import Request, parse_request
from viaduct_lab.vcenter.soap.serialize import serializer_for

if TYPE_CHECKING:
    from viaduct_lab.vcenter.core.center import VCenter

log = logging.getLogger(__name__)

OPEN_METHODS = frozenset(
    {
        "RetrieveServiceContent",
        "CurrentTime",
        "Login",
        "LoginBySSPI",
        "LoginByToken",
        "LoginExtensionByCertificate",
        "LoginExtensionBySubjectName",
        "CloneSession",
    }
)
"""Methods that need no session."""
READING_METHODS = frozenset({"Fetch", "RetrieveProperties", "RetrievePropertiesEx"})
"""Methods that need none either when they read the ServiceInstance only."""
LONG_METHODS = frozenset({"WaitForUpdates", "WaitForUpdatesEx"})
"""Methods that may wait; they are given up when the client hangs up."""

_ACTION_VERSION = re.compile(r"urn:vim25/([\w.]+)")


class RawResult(str):
    """A result that is XML already: ``returnval`` elements."""


@dataclass(frozen=True)
class Answer:
    """What goes back: HTTP status, body and, after a login, the session key for the cookie."""

    status: int
    body: bytes
    new_session: str | None = None


@dataclass(frozen=True)
class Transport:
    """What HTTP tells of a call."""

    action: str = ""
    session_key: str = ""
    client_address: str = ""
    user_agent: str = ""
    host: str = ""


async def dispatch(center: VCenter, body: bytes, transport: Transport) -> Answer:
    """Answer one SOAP call. Never raises, but for cancellation: what goes wrong becomes a fault."""
    match = _ACTION_VERSION.search(transport.action)
    call = Call(
        center=center,
        method="",
        serializer=serializer_for(match.group(1) if match else API_VERSION),
        session=center.sessions.find(transport.session_key) if transport.session_key else None,
        client_address=transport.client_address,
        user_agent=transport.user_agent,
        host=transport.host,
    )
    token = current_call.set(call)
    if call.session is not None:
        call.session.waiting += 1
    try:
        content = await _answer(call, body)
        center.commit()
        new = call.new_session.key if call.new_session is not None else None
        return Answer(200, envelope.response(call.method, content), new)
    except faults.MethodFault as fault:
        log.info("%s: fault %s: %s", call.method or "?", fault.__class__._wsdlName, fault.msg)
        return _fault_answer(call, fault)
    except asyncio.CancelledError:
        raise
    except Exception as error:
        traceback.print_exc(file=sys.stderr)
        return _fault_answer(call, faults.system_error(error))
    finally:
        if call.session is not None:
            call.session.waiting -= 1
            center.sessions.touch(call.session)
        current_call.reset(token)


def _fault_answer(call: Call, fault: Any) -> Answer:
    try:
        call.center.commit()
        return Answer(500, envelope.fault(fault, call.serializer))
    except Exception as error:
        traceback.print_exc(file=sys.stderr)
        return Answer(500, envelope.fault(faults.system_error(error), call.serializer))


async def _answer(call: Call, body: bytes) -> str:
    request = parse_request(body)
    call.method = request.name
    call.operation_id = request.header.get("operationID", "")
    center = call.center
    center.call_counts[request.name] += 1
    center.injected.raise_if_ordered(request.name)
    if call.session is None and not _is_open(request):
        raise faults.not_authenticated(request.args._this)
    target = center.registry.get(request.args._this._moId)
    if target is None or not issubclass(target.vim_type, request.args._this.__class__):
        raise faults.not_found(request.args._this)
    if not issubclass(target.vim_type, request.method.type):
        raise faults.invalid_request(f"{target.type_name} has no method {request.name}")
    result = await _invoke(call, target, request)
    if isinstance(result, RawResult):
        return result
    return call.serializer.result(result, request.method.result)


async def _invoke(call: Call, target: ManagedObject, request: Request) -> Any:
    attribute = target.soap_handlers.get(request.name)
    if attribute is None:
        if request.name == "Fetch":
            from viaduct_lab.vcenter.core.properties import fetch

            return RawResult(fetch(target, request.args.prop, call.serializer))
        raise faults.not_supported(f"{target.type_name}.{request.name} is not provided by the lab's vCenter.")
    handler = getattr(target, attribute)
    if getattr(handler, "soap_task", False):
        return call.center.tasks.start(
            call,
            target,
            request.name,
            functools.partial(handler, call, request.args),
            cancelable=handler.soap_cancelable,
            exclusive=handler.soap_exclusive,
        )
    result = handler(call, request.args)
    return await result if inspect.isawaitable(result) else result


def _is_open(request: Request) -> bool:
    if request.name in OPEN_METHODS:
        return True
    if request.name == "Fetch":
        return bool(request.args._this.__class__ is support.GetVmodlType("vim.ServiceInstance"))
    if request.name in READING_METHODS:
        return all(
            spec.obj.__class__ is support.GetVmodlType("vim.ServiceInstance") and not spec.selectSet
            for filter_spec in request.args.specSet
            for spec in filter_spec.objectSet
        )
    return False
