"""What vCenter's faults mean to a person: a sentence, a remedy, and whether trying again can help."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPException
from xml.parsers.expat import ExpatError

from pyVmomi import vim, vmodl

from viaduct.errors import VCenterError, VCenterLoginFailed, VCenterTaskFailed, VCenterUnreachable


@dataclass(frozen=True)
class Meaning:
    """How a kind of fault is told. ``retryable``: the same call may succeed a little later."""

    fault: type[vmodl.MethodFault]
    remedy: str
    retryable: bool


# The first entry that a fault is an instance of wins: special faults stand before their bases.
MEANINGS: tuple[Meaning, ...] = (
    Meaning(
        vim.fault.NoPermission,
        "Give the account in the site file the missing privilege on that object in vCenter (Administration > "
        "Access Control > Roles), then run the same command again.",
        False,
    ),
    Meaning(
        vim.fault.NoDiskSpace,
        "Free space on the datastore or name another one in the site file, then run the same command again.",
        False,
    ),
    Meaning(
        vim.fault.InsufficientResourcesFault,
        "The cluster or resource pool has too little free CPU or memory (or admission control holds it "
        "back): free some, or name another cluster in the site file.",
        False,
    ),
    Meaning(
        vim.fault.DuplicateName,
        "Rename or remove the object of that name in vCenter, or choose another name.",
        False,
    ),
    Meaning(
        vim.fault.InvalidDatastore,
        "Check in vCenter that the datastore is accessible from all hosts of the cluster.",
        True,
    ),
    Meaning(
        vim.fault.FileFault,
        "Look at the named file in vCenter's datastore browser; something may hold it.",
        True,
    ),
    Meaning(
        vim.fault.InvalidPowerState, "Look at the VM in vCenter; somebody else may have changed it.", True
    ),
    Meaning(vim.fault.TaskInProgress, "Another task holds the object; try again when it is done.", True),
    Meaning(vim.fault.ConcurrentAccess, "Somebody changed the object at the same time; try again.", True),
    Meaning(
        vim.fault.HostConnectFault, "Check in vCenter that the ESXi host is connected and responding.", True
    ),
    Meaning(
        vmodl.fault.HostCommunication,
        "Check in vCenter that the ESXi host is connected and responding.",
        True,
    ),
    Meaning(
        vmodl.fault.NotSupported,
        "This vCenter or VM hardware version cannot do that; see the vCenter's release.",
        False,
    ),
    Meaning(
        vmodl.fault.InvalidArgument,
        "vCenter refuses a value; if nothing in the site file explains it, report it with the log.",
        False,
    ),
    Meaning(
        vmodl.fault.ManagedObjectNotFound,
        "The object was removed meanwhile: run the same command again, it will look anew.",
        True,
    ),
)

_DEFAULT_REMEDY = "Look at Recent Tasks and Events in vCenter for the cause, then run the same command again."


def text(fault: vmodl.MethodFault) -> str:
    """The fault in words: vCenter's own message and what its details add."""
    parts = [(getattr(fault, "msg", "") or type(fault).__name__.rpartition(".")[2]).strip().rstrip(".")]
    if isinstance(fault, vim.fault.NoPermission) and fault.privilegeId:
        parts.append(f"missing privilege {fault.privilegeId}")
    if isinstance(fault, vmodl.fault.InvalidArgument) and fault.invalidProperty:
        parts.append(f"property {fault.invalidProperty}")
    parts += [m.message.rstrip(".") for m in fault.faultMessage or () if m.message]
    return "; ".join(dict.fromkeys(parts))


def name(fault: vmodl.MethodFault) -> str:
    """The fault's type name without its package."""
    return type(fault).__name__.rpartition(".")[2]


def meaning(fault: vmodl.MethodFault) -> Meaning:
    """What is known of the fault; unknown ones are worth another try (vCenter was busy, a host was away)."""
    for entry in MEANINGS:
        if isinstance(fault, entry.fault):
            return entry
    return Meaning(vmodl.MethodFault, _DEFAULT_REMEDY, True)


def task_failed(doing: str, fault: vmodl.MethodFault) -> VCenterTaskFailed:
    """The error for a task that ended with ``fault`` while ``doing`` something ("clone VM x")."""
    known = meaning(fault)
    error = VCenterTaskFailed(
        f"vCenter could not {doing}: {text(fault)} ({name(fault)}).", known.remedy, fault=name(fault)
    )
    error.retryable = known.retryable
    return error


def translate(doing: str, problem: Exception) -> VCenterError:
    """The error to show for anything that pyVmomi raises while ``doing`` something."""
    if isinstance(problem, vim.fault.InvalidLogin):
        return VCenterLoginFailed(
            f"vCenter refuses the user name or password ({text(problem)}).",
            "Correct vcenter.username (with its domain, as administrator@vsphere.local) or the password that "
            "vcenter.password_file or vcenter.password_env names in the site file.",
        )
    if isinstance(problem, vim.fault.NoPermission | vim.fault.NotAuthenticated) and doing == "log in":
        return VCenterLoginFailed(
            f"The account may not log in to vCenter ({text(problem)}).",
            "Give the account a role in vCenter, at least on the datacenter of the site file.",
        )
    if isinstance(problem, vmodl.MethodFault):
        known = meaning(problem)
        error = VCenterError(f"vCenter could not {doing}: {text(problem)} ({name(problem)}).", known.remedy)
        error.retryable = known.retryable
        return error
    return VCenterUnreachable(
        f"The connection to vCenter broke while it should {doing} ({problem or type(problem).__name__}).",
        "Check that the vCenter runs and is reachable, then run the same command again.",
    )


@contextmanager
def told_as(doing: str) -> Iterator[None]:
    """Everything that pyVmomi and the network raise inside leaves as a :class:`VCenterError`."""
    try:
        yield
    except (vmodl.MethodFault, OSError, HTTPException, ExpatError, ssl.SSLError) as problem:
        raise translate(doing, problem) from problem
