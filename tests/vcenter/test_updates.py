"""PropertyCollector: waiting for changes."""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from clients import Collector, cluster, datacenter, object_filter, values, view_filter, wait_for_task
from pyVmomi import vim, vmodl


@pytest.fixture
def place(si: Any) -> Iterator[Any]:
    """A VM folder of the test's own."""
    folder = datacenter(si).vmFolder.CreateFolder(f"updates-{uuid.uuid4().hex[:8]}")
    yield folder
    wait_for_task(folder.Destroy())


@pytest.fixture
def collector(si: Any) -> Iterator[Any]:
    """A property collector of the test's own."""
    made = si.content.propertyCollector.CreatePropertyCollector()
    yield made
    made.Destroy()


def poll(collector: Any, version: str, seconds: int = 5, most: int | None = None) -> Any:
    """WaitForUpdatesEx."""
    options = Collector.WaitOptions(maxWaitSeconds=seconds, maxObjectUpdates=most)
    return collector.WaitForUpdatesEx(version, options)


def updates(update_set: Any) -> list[tuple[str, str, dict[str, Any]]]:
    """(kind, moid, changes) of all filters."""
    return [
        (each.kind, each.obj._moId, values(each))
        for filter_set in update_set.filterSet
        for each in filter_set.objectSet
    ]


def watch_folders(si: Any, collector: Any, place: Any) -> Any:
    """A filter on the names of folders below ``place``."""
    view = si.content.viewManager.CreateContainerView(place, [vim.Folder], True)
    return collector.CreateFilter(view_filter(view, vim.Folder, "name", "childEntity"), False)


def test_enter_modify_leave(si: Any, collector: Any, place: Any) -> None:
    child = place.CreateFolder("one")
    watch_folders(si, collector, place)
    first = poll(collector, "")
    assert updates(first) == [("enter", child._moId, {"name": "one", "childEntity": []})]
    wait_for_task(child.Rename("two"))
    second = poll(collector, first.version)
    assert updates(second) == [("modify", child._moId, {"name": "two"})]
    assert second.filterSet[0].objectSet[0].changeSet[0].op == "assign"
    other = place.CreateFolder("three")
    third = poll(collector, second.version)
    assert updates(third) == [("enter", other._moId, {"name": "three", "childEntity": []})]
    wait_for_task(child.Destroy())
    fourth = poll(collector, third.version)
    assert updates(fourth) == [("leave", child._moId, {})]
    assert poll(collector, fourth.version, seconds=0) is None


def test_a_waiting_client_wakes_at_once(
    si: Any, vcenter: Any, connect: Any, collector: Any, place: Any
) -> None:
    watch_folders(si, collector, place)
    place.CreateFolder("there")
    version = poll(collector, "").version
    other = connect(vcenter)
    same = vim.Folder(place._moId, other._stub)
    done: list[float] = []

    def create() -> None:
        time.sleep(0.2)
        same.CreateFolder("new")
        done.append(time.monotonic())

    thread = threading.Thread(target=create)
    thread.start()
    update = poll(collector, version, seconds=10)
    seen = time.monotonic()
    thread.join()
    assert [kind for kind, _, _ in updates(update)] == ["enter"]
    assert seen - done[0] < 0.3


def test_time_out_gives_nothing(si: Any, collector: Any, place: Any) -> None:
    watch_folders(si, collector, place)
    place.CreateFolder("there")
    version = poll(collector, "").version
    begin = time.monotonic()
    assert poll(collector, version, seconds=1) is None
    assert 0.9 < time.monotonic() - begin < 2.5


def test_an_unrelated_change_is_not_told(si: Any, collector: Any, place: Any) -> None:
    folder = place.CreateFolder("there")
    collector.CreateFilter(object_filter(folder, "childEntity"), False)
    version = poll(collector, "").version
    wait_for_task(folder.Rename("elsewhere"))
    assert poll(collector, version, seconds=0) is None


def test_truncated_updates_come_in_portions(si: Any, collector: Any, place: Any) -> None:
    names = [f"f{number}" for number in range(5)]
    for name in names:
        place.CreateFolder(name)
    watch_folders(si, collector, place)
    version, seen, truncated = "", [], []
    for _ in range(3):
        update = poll(collector, version, most=2)
        version = update.version
        seen += [changes["name"] for _, _, changes in updates(update)]
        truncated.append(bool(update.truncated))
    assert seen == names
    assert truncated == [True, True, False]
    assert poll(collector, version, seconds=0) is None


def test_empty_version_tells_everything_again(si: Any, collector: Any, place: Any) -> None:
    place.CreateFolder("there")
    watch_folders(si, collector, place)
    assert [kind for kind, _, _ in updates(poll(collector, ""))] == ["enter"]
    assert [kind for kind, _, _ in updates(poll(collector, ""))] == ["enter"]


def test_a_lost_answer_can_be_asked_for_again(si: Any, collector: Any, place: Any) -> None:
    child = place.CreateFolder("there")
    watch_folders(si, collector, place)
    first = poll(collector, "")
    wait_for_task(child.Rename("new"))
    lost = poll(collector, first.version)
    again = poll(collector, first.version)
    assert updates(again) == updates(lost)
    assert again.version == lost.version


def test_unknown_version(si: Any, collector: Any, place: Any) -> None:
    watch_folders(si, collector, place)
    with pytest.raises(vmodl.query.InvalidCollectorVersion):
        poll(collector, "4711")


def test_check_for_updates_never_waits(si: Any, collector: Any, place: Any) -> None:
    place.CreateFolder("there")
    watch_folders(si, collector, place)
    version = collector.CheckForUpdates("").version
    begin = time.monotonic()
    assert collector.CheckForUpdates(version) is None
    assert time.monotonic() - begin < 0.5


def test_cancel_wakes_the_waiting_call(si: Any, vcenter: Any, collector: Any, place: Any) -> None:
    watch_folders(si, collector, place)
    timer = threading.Timer(0.3, collector.CancelWaitForUpdates)
    timer.start()
    begin = time.monotonic()
    with pytest.raises(vmodl.fault.RequestCanceled):
        poll(collector, "", seconds=20)
    assert time.monotonic() - begin < 5
    timer.join()


def test_a_destroyed_filter_tells_nothing(si: Any, collector: Any, place: Any) -> None:
    place.CreateFolder("there")
    made = watch_folders(si, collector, place)
    version = poll(collector, "").version
    made.Destroy()
    place.CreateFolder("new")
    assert poll(collector, version, seconds=0) is None
    with pytest.raises(vmodl.fault.ManagedObjectNotFound):
        made.Destroy()


def test_a_filter_added_later_is_told_on_its_own(si: Any, collector: Any, place: Any) -> None:
    one, two = place.CreateFolder("one"), place.CreateFolder("two")
    collector.CreateFilter(object_filter(one, "name"), False)
    version = poll(collector, "").version
    collector.CreateFilter(object_filter(two, "name"), False)
    assert updates(poll(collector, version)) == [("enter", two._moId, {"name": "two"})]


def test_task_in_a_list_view(si: Any, collector: Any, place: Any) -> None:
    """How a client waits for many tasks with one long poll."""
    view = si.content.viewManager.CreateListView([])
    collector.CreateFilter(view_filter(view, vim.Task, "info.state", "info.result", "info.error"), False)
    assert poll(collector, "", seconds=0) is None
    task = place.CreateFolder("x").Rename("y")
    view.ModifyListView(add=[task])
    version, states = "", []
    while not states or states[-1] not in ("success", "error"):
        update = poll(collector, version)
        version = update.version
        states += [changes["info.state"] for _, _, changes in updates(update) if "info.state" in changes]
    assert states[-1] == "success"


def test_host_properties_follow(si: Any, collector: Any) -> None:
    host = cluster(si, "compute").host[0]
    collector.CreateFilter(object_filter(host, "runtime.inMaintenanceMode"), False)
    collector.CreateFilter(object_filter(host.parent, "summary.numEffectiveHosts"), False)
    first = poll(collector, "")
    wait_for_task(host.EnterMaintenanceMode(0))
    second = poll(collector, first.version)
    assert ("modify", host._moId, {"runtime.inMaintenanceMode": True}) in updates(second)
    assert ("modify", host.parent._moId, {"summary.numEffectiveHosts": 0}) in updates(second)
    wait_for_task(host.ExitMaintenanceMode(0))
    assert len(updates(poll(collector, second.version))) == 2
