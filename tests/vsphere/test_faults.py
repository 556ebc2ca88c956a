"""What vCenter's faults mean to a person, as a table."""

from __future__ import annotations

import ssl
from http.client import RemoteDisconnected

import pytest
from pyVmomi import vim, vmodl

from viaduct.errors import VCenterError, VCenterLoginFailed, VCenterUnreachable
from viaduct.vsphere.faults import MEANINGS, task_failed, told_as, translate


@pytest.mark.parametrize(
    ("fault", "retryable", "said"),
    [
        (vim.fault.NoPermission(msg="Permission denied", privilegeId="VirtualMachine.Config.AddNewDisk"),
         False, "VirtualMachine.Config.AddNewDisk"),
        (vim.fault.NoDiskSpace(msg="Insufficient disk space on datastore 'ds'."), False, "datastore 'ds'"),
        (vim.fault.InsufficientMemoryResourcesFault(msg="too little memory"), False, "too little memory"),
        (vim.fault.FileLocked(msg="Unable to access file since it is locked"), True, "locked"),
        (vim.fault.TaskInProgress(msg=""), True, "TaskInProgress"),
        (vmodl.fault.HostNotConnected(msg="host is away"), True, "host is away"),
        (vmodl.fault.InvalidArgument(msg="A specified parameter was not correct", invalidProperty="spec.x"),
         False, "spec.x"),
        (vmodl.fault.SystemError(msg="A general system error occurred"), True, "general system error"),
        (vim.fault.DuplicateName(msg="The name 'x' already exists."), False, "'x' already exists"),
    ],
)  # fmt: skip
def test_a_task_fault_is_told(fault: vmodl.MethodFault, retryable: bool, said: str) -> None:
    error = task_failed("clone VM c1-node1", fault)
    assert error.sentence.startswith("vCenter could not clone VM c1-node1: ")
    assert said in error.sentence
    assert error.retryable is retryable
    assert error.remedy
    assert error.fault == type(fault).__name__.rpartition(".")[2]


def test_details_of_a_fault_are_told_once() -> None:
    detail = vmodl.LocalizableMessage(key="k", message="Disk is too large.")
    fault = vim.fault.InvalidVmConfig(msg="Invalid configuration.", faultMessage=[detail, detail])
    assert "Invalid configuration; Disk is too large (" in task_failed("reconfigure", fault).sentence


def test_special_faults_stand_before_their_bases() -> None:
    for position, entry in enumerate(MEANINGS):
        for later in MEANINGS[position + 1 :]:
            assert not (issubclass(later.fault, entry.fault) and later.fault is not entry.fault)


@pytest.mark.parametrize(
    "problem",
    [TimeoutError("timed out"), RemoteDisconnected("closed"), ssl.SSLError("eof"), ConnectionResetError()],
)
def test_a_broken_connection_is_unreachable_and_worth_another_try(problem: Exception) -> None:
    with pytest.raises(VCenterUnreachable, match="while it should list") as failure, told_as("list"):
        raise problem
    assert failure.value.retryable


def test_refused_logins_are_told_apart() -> None:
    assert isinstance(translate("log in", vim.fault.InvalidLogin(msg="no")), VCenterLoginFailed)
    assert isinstance(translate("log in", vim.fault.NoPermission(msg="no")), VCenterLoginFailed)
    assert not isinstance(translate("clone", vim.fault.NoPermission(msg="no")), VCenterLoginFailed)


def test_errors_of_our_own_pass_unchanged() -> None:
    error = VCenterError("as it was")
    with pytest.raises(VCenterError) as failure, told_as("do more"):
        raise error
    assert failure.value is error
