"""Faults with the texts that vCenter's users know."""

from __future__ import annotations

from typing import Any

from viaduct_lab.vcenter.core.types import Ref, support, vim, vmodl

MethodFault: Any = support.GetVmodlType("vmodl.MethodFault")
"""The base class of all SOAP faults; all of them are Python exceptions."""


def not_found(ref: Ref | None) -> Exception:
    """``ManagedObjectNotFound`` for a reference (``InvalidArgument`` for an unset one)."""
    if ref is None:
        return invalid_argument(None, "A required managed object reference is unset.")
    fault: Exception = vmodl.fault.ManagedObjectNotFound(
        obj=ref,
        msg=f"The object '{ref.__class__.__name__}:{ref._moId}' has already been deleted "
        "or has not been completely created",
    )
    return fault


def invalid_argument(name: str | None, message: str = "") -> Exception:
    """``InvalidArgument``; ``name`` is the offending property, e.g. ``spec.name``."""
    fault: Exception = vmodl.fault.InvalidArgument(
        invalidProperty=name, msg=message or f"A specified parameter was not correct: {name or ''}"
    )
    return fault


def not_supported(message: str) -> Exception:
    """``NotSupported``: the lab's vCenter does not do this."""
    fault: Exception = vmodl.fault.NotSupported(msg=message)
    return fault


def invalid_request(message: str) -> Exception:
    """``InvalidRequest``: the message is not a call that this API has."""
    fault: Exception = vmodl.fault.InvalidRequest(msg=message)
    return fault


def invalid_property(name: str) -> Exception:
    """``InvalidProperty`` of the property collector."""
    fault: Exception = vmodl.query.InvalidProperty(name=name, msg=f"Invalid property: {name}")
    return fault


def not_authenticated(ref: Ref | None, privilege: str = "System.View") -> Exception:
    """``NotAuthenticated``: there is no session or it has ended."""
    fault: Exception = vim.fault.NotAuthenticated(
        object=ref if ref is not None else vim.ServiceInstance("ServiceInstance"),
        privilegeId=privilege,
        msg="The session is not authenticated.",
    )
    return fault


def duplicate_name(name: str, ref: Ref) -> Exception:
    """``DuplicateName``: ``ref`` has the name already."""
    fault: Exception = vim.fault.DuplicateName(
        name=name, object=ref, msg=f"The name '{name}' already exists."
    )
    return fault


def by_name(name: str, message: str) -> Exception:
    """A fault of a type given by its short name (``FileNotFound``), with only defaults set.

    Raises ``ValueError`` for a name that is no fault type.
    """
    try:
        cls = support.GetWsdlType("urn:vim25", name)
    except KeyError:
        raise ValueError(f"{name} is not a type of the API") from None
    if not issubclass(cls, MethodFault):
        raise ValueError(f"{name} is not a fault")
    fault: Exception = cls(msg=message or name)
    return fault


def system_error(error: BaseException) -> Exception:
    """``SystemError`` for an exception that no code foresaw."""
    text = f"{type(error).__name__}: {error}"
    fault: Exception = vmodl.fault.SystemError(reason=text, msg=f"A general system error occurred: {text}")
    return fault
