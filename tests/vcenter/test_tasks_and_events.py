"""Tasks, events and their history."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from clients import cluster, datacenter, wait_for_task
from pyVmomi import vim, vmodl

from vcenter_server import USER
from viaduct_lab.vcenter.core.descriptions import description_id
from viaduct_lab.vcenter.core.types import support

FilterSpec = vim.event.EventFilterSpec
ByEntity = vim.event.EventFilterSpec.ByEntity


@pytest.fixture
def place(si: Any) -> Iterator[Any]:
    """A VM folder of the test's own."""
    folder = datacenter(si).vmFolder.CreateFolder(f"tasks-{uuid.uuid4().hex[:8]}")
    yield folder
    wait_for_task(folder.Destroy())


def test_task_info(si: Any, place: Any) -> None:
    task = place.CreateFolder("one").Rename("two")
    wait_for_task(task)
    info = task.info
    assert info.key == task._moId
    assert info.task == task
    assert info.descriptionId == "Folder.rename"
    assert (info.entity.parent, info.entityName) == (place, "one")
    assert info.queueTime <= info.startTime <= info.completeTime
    assert (info.reason.userName, info.cancelled, info.cancelable) == (USER, False, False)
    assert info.error is None
    assert task in si.content.taskManager.recentTask
    assert task in info.entity.recentTask


def test_failed_task(place: Any) -> None:
    place.CreateFolder("one")
    task = place.CreateFolder("two").Rename("one")
    with pytest.raises(vim.fault.DuplicateName) as caught:
        wait_for_task(task)
    assert caught.value.name == "one"
    assert task.info.error.msg == "The name 'one' already exists."
    assert task.info.completeTime is not None
    with pytest.raises(vim.fault.InvalidState):
        task.CancelTask()


def test_cancel(si: Any) -> None:
    """A task that an extension drives can be cancelled and ended by it."""
    info = si.content.taskManager.CreateTask(datacenter(si), "com.example.task", USER, True)
    task = info.task
    assert task.info.state == "queued"
    with pytest.raises(vim.fault.InvalidState):
        task.UpdateProgress(50)
    task.SetTaskState("running")
    task.UpdateProgress(50)
    assert task.info.progress == 50
    task.CancelTask()
    assert task.info.cancelled
    task.SetTaskState("error", None, vmodl.fault.RequestCanceled())
    assert isinstance(task.info.error, vmodl.fault.RequestCanceled)
    with pytest.raises(vim.fault.InvalidState):
        task.SetTaskState("success")


def test_task_that_cannot_be_cancelled(si: Any) -> None:
    info = si.content.taskManager.CreateTask(datacenter(si), "com.example.task", USER, False)
    with pytest.raises(vmodl.fault.NotSupported):
        info.task.CancelTask()
    info.task.SetTaskState("success", "done")
    assert info.task.info.result == "done"


def test_task_history(si: Any, place: Any) -> None:
    folder = place.CreateFolder("x0")
    for number in range(1, 6):
        wait_for_task(folder.Rename(f"x{number}"))
    with pytest.raises(vim.fault.DuplicateName):
        place.CreateFolder("x5")
    by_entity = vim.TaskFilterSpec.ByEntity(entity=folder, recursion="self")
    collector = si.content.taskManager.CreateCollectorForTasks(vim.TaskFilterSpec(entity=by_entity))
    assert [info.entityName for info in collector.latestPage] == ["x4", "x3", "x2", "x1", "x0"]
    assert [info.entityName for info in collector.ReadPreviousTasks(2)] == ["x4", "x3"]
    collector.RewindCollector()
    assert [info.entityName for info in collector.ReadNextTasks(3)] == ["x0", "x1", "x2"]
    assert [info.entityName for info in collector.ReadNextTasks(3)] == ["x3", "x4"]
    assert collector.ReadNextTasks(3) == []
    above = vim.TaskFilterSpec.ByEntity(entity=datacenter(si), recursion="all")
    spec = vim.TaskFilterSpec(entity=above, state=["error"])
    assert si.content.taskManager.CreateCollectorForTasks(spec).ReadPreviousTasks(1000) is not None
    collector.DestroyCollector()
    with pytest.raises(vmodl.fault.ManagedObjectNotFound):
        collector.ReadNextTasks(1)


def query(si: Any, **fields: Any) -> list[Any]:
    """QueryEvents."""
    return list(si.content.eventManager.QueryEvents(FilterSpec(**fields)))


def keys(events: list[Any]) -> list[int]:
    """The events' keys."""
    return [event.key for event in events]


def test_events_of_a_task(si: Any, place: Any) -> None:
    folder = place.CreateFolder("one")
    task = folder.Rename("two")
    wait_for_task(task)
    found = query(si, entity=ByEntity(entity=folder, recursion="self"))
    assert [type(event) for event in found] == [vim.event.TaskEvent]
    assert found[0].info.key == task._moId
    assert found[0].chainId == task.info.eventChainId
    assert found[0].userName == USER
    assert keys(found) == keys(query(si, eventChainId=task.info.eventChainId))
    assert keys(found) == keys(query(si, entity=ByEntity(entity=place, recursion="children")))


def test_events_of_a_host(si: Any) -> None:
    host = cluster(si, "compute").host[0]
    before = datetime.now(UTC) - timedelta(seconds=1)
    wait_for_task(host.EnterMaintenanceMode(0))
    wait_for_task(host.ExitMaintenanceMode(0))
    wanted = ["vim.event.EnteredMaintenanceModeEvent", "ExitMaintenanceModeEvent"]
    for entity in (host, host.parent, datacenter(si), si.content.rootFolder):
        found = query(
            si,
            entity=ByEntity(entity=entity, recursion="all"),
            eventTypeId=wanted,
            time=FilterSpec.ByTime(beginTime=before),
        )
        assert [type(event) for event in found] == [
            vim.event.EnteredMaintenanceModeEvent,
            vim.event.ExitMaintenanceModeEvent,
        ]
    event = found[0]
    assert (event.host.host, event.host.name) == (host, host.name)
    assert event.computeResource.computeResource == host.parent
    assert event.datacenter.name == "Datacenter"
    assert event.key < found[1].key
    of_host = ByEntity(entity=host, recursion="all")
    earlier = query(si, entity=of_host, time=FilterSpec.ByTime(endTime=before))
    assert keys(earlier) == [e.key for e in query(si, entity=of_host) if e.createdTime <= before]


def test_event_collector_pages_and_follows(si: Any, place: Any) -> None:
    spec = FilterSpec(
        eventTypeId=["vim.event.GeneralUserEvent"],
        userName=FilterSpec.ByUsername(systemUser=False, userList=[USER]),
        entity=ByEntity(entity=datacenter(si), recursion="self"),
    )
    manager = si.content.eventManager
    collector = manager.CreateCollectorForEvents(spec)
    old = len(collector.ReadPreviousEvents(1000))
    for number in range(5):
        manager.LogUserEvent(datacenter(si), f"message {number}")
    collector.SetCollectorPageSize(2)
    assert [event.message for event in collector.latestPage] == ["message 4", "message 3"]
    collector.RewindCollector()
    texts = [event.fullFormattedMessage for event in collector.ReadNextEvents(1000)][old:]
    assert texts == [f"message {number}" for number in range(5)]
    manager.LogUserEvent(datacenter(si), "late")
    assert [event.message for event in collector.ReadNextEvents(10)] == ["late"]
    collector.ResetCollector()
    assert [event.message for event in collector.ReadPreviousEvents(1)] == ["message 3"]
    for bad in (0, 1001):
        with pytest.raises(vmodl.fault.InvalidArgument):
            collector.ReadNextEvents(bad)


def test_posted_event(si: Any) -> None:
    event = vim.event.EventEx(
        eventTypeId="com.example.thing", severity="warning", message="It happened",
        key=0, chainId=0, createdTime=datetime.now(UTC), userName="",
    )  # fmt: skip
    si.content.eventManager.PostEvent(event)
    (found,) = query(si, eventTypeId=["com.example.thing"], category=["warning"])
    assert (found.message, found.userName) == ("It happened", USER)
    assert si.content.eventManager.latestEvent.key == found.key


def test_descriptions(si: Any) -> None:
    assert len(si.content.eventManager.description.eventInfo) > 400
    labels = {info.key: info.label for info in si.content.taskManager.description.methodInfo}
    assert labels["VirtualMachine.powerOn"] == "PowerOnVM_Task"


@pytest.mark.parametrize(
    ("type_name", "method", "key"),
    [
        ("VirtualMachine", "CloneVM_Task", "VirtualMachine.clone"),
        ("VirtualMachine", "ReconfigVM_Task", "VirtualMachine.reconfigure"),
        ("VirtualMachine", "ConsolidateVMDisks_Task", "VirtualMachine.consolidateDisks"),
        ("VirtualMachine", "Destroy_Task", "VirtualMachine.destroy"),
        ("VirtualMachineSnapshot", "RevertToSnapshot_Task", "vm.Snapshot.revert"),
        ("Folder", "CreateVM_Task", "Folder.createVm"),
        ("Folder", "CreateDVS_Task", "Folder.createDistributedVirtualSwitch"),
        ("ClusterComputeResource", "ReconfigureComputeResource_Task", "ClusterComputeResource.reconfigureEx"),
        ("DistributedVirtualPortgroup", "Destroy_Task", "dvs.DistributedVirtualPortgroup.destroy"),
        ("HostPatchManager", "ScanHostPatchV2_Task", "host.PatchManager.ScanV2"),
    ],
)
def test_keys_of_operations(type_name: str, method: str, key: str) -> None:
    """As a real vCenter writes them."""
    owner = support.GetWsdlType("urn:vim25", type_name)
    assert description_id(owner, support.GetWsdlMethod("urn:vim25", method).info) == key
