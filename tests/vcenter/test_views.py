"""Views."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from clients import cluster, datacenter, wait_for_task
from pyVmomi import vim, vmodl


@pytest.fixture
def place(si: Any) -> Iterator[Any]:
    """A VM folder of the test's own."""
    folder = datacenter(si).vmFolder.CreateFolder(f"views-{uuid.uuid4().hex[:8]}")
    yield folder
    wait_for_task(folder.Destroy())


def names(view: Any) -> list[str]:
    """The names of what is in view."""
    return [each.name for each in view.view]


def test_container_view_by_type(si: Any) -> None:
    create = si.content.viewManager.CreateContainerView
    root = si.content.rootFolder
    assert names(create(root, [vim.HostSystem], True)) == ["127.0.77.11", "127.0.77.12", "127.0.77.13"]
    assert names(create(root, [vim.ComputeResource], True)) == ["management", "compute"]
    assert names(create(root, [vim.HostSystem], False)) == []
    assert names(create(root, [], False)) == ["Datacenter"]
    assert names(create(cluster(si, "compute"), [vim.HostSystem], False)) == ["127.0.77.13"]
    everything = create(datacenter(si), [], True).view
    assert len(everything) == len({each._moId for each in everything})


@pytest.mark.parametrize("recursive", [True, False])
def test_container_view_follows(si: Any, place: Any, recursive: bool) -> None:
    view = si.content.viewManager.CreateContainerView(place, [vim.Folder], recursive)
    assert names(view) == []
    one = place.CreateFolder("one")
    below = one.CreateFolder("below")
    assert names(view) == (["one", "below"] if recursive else ["one"])
    other = place.CreateFolder("other")
    wait_for_task(other.MoveInto([one]))
    assert sorted(names(view)) == (["below", "one", "other"] if recursive else ["other"])
    wait_for_task(other.Destroy())
    assert names(view) == []
    assert below is not None


def test_list_view(si: Any, place: Any) -> None:
    one, two = place.CreateFolder("one"), place.CreateFolder("two")
    gone = vim.Folder("group-v99999", si._stub)
    view = si.content.viewManager.CreateListView([one])
    assert view.ModifyListView(add=[two, gone], remove=[one]) == [gone]
    assert names(view) == ["two"]
    assert names(si.content.viewManager.CreateListViewFromView(view)) == ["two"]
    view.ResetListView([one])
    assert names(view) == ["one"]
    wait_for_task(one.Destroy())
    assert names(view) == []
    view.Destroy()
    with pytest.raises(vmodl.fault.ManagedObjectNotFound):
        _ = view.view


def test_inventory_view(si: Any) -> None:
    view = si.content.viewManager.CreateInventoryView()
    assert names(view) == ["Datacenters"]
    view.OpenInventoryViewFolder([si.content.rootFolder])
    assert names(view) == ["Datacenters", "Datacenter"]
    view.CloseInventoryViewFolder([si.content.rootFolder])
    assert names(view) == ["Datacenters"]


def test_views_end_with_their_session(si: Any, vcenter: Any, connect: Any) -> None:
    other = connect(vcenter)
    view = other.content.viewManager.CreateListView([])
    same = vim.view.ListView(view._moId, si._stub)
    assert same.view == []
    assert other.content.viewManager.viewList == [view]
    other.content.sessionManager.Logout()
    with pytest.raises(vmodl.fault.ManagedObjectNotFound):
        _ = same.view
