"""PropertyCollector: reading once."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from clients import Collector, cluster, datacenter, object_filter, values, view_filter
from pyVmomi import vim, vmodl


@pytest.fixture
def folders(si: Any) -> Iterator[list[Any]]:
    """Seven VM folders, f0 to f6, in a folder of their own."""
    parent = datacenter(si).vmFolder.CreateFolder(f"paging-{uuid.uuid4().hex[:8]}")
    yield [parent.CreateFolder(f"f{number}") for number in range(7)]
    parent.Destroy()


def retrieve(si: Any, spec: Any, most: int | None = None) -> Any:
    """RetrievePropertiesEx through the default collector."""
    options = Collector.RetrieveOptions(maxObjects=most)
    return si.content.propertyCollector.RetrievePropertiesEx([spec], options)


def test_properties_come_in_the_order_asked_for(si: Any) -> None:
    host = cluster(si, "management").host[0]
    result = retrieve(si, object_filter(host, "summary.quickStats", "name", "parent"))
    assert [row.name for row in result.objects[0].propSet] == ["summary.quickStats", "name", "parent"]
    assert result.objects[0].obj == host
    assert result.token is None


def test_unset_is_left_out_and_nothing_is_missing(si: Any) -> None:
    root = si.content.rootFolder
    row = retrieve(si, object_filter(root, "name", "parent")).objects[0]
    assert values(row) == {"name": "Datacenters"}
    assert row.missingSet == []


def test_arrays_are_typed(si: Any) -> None:
    host = cluster(si, "management").host[0]
    spec = object_filter(host, "config.storageDevice.hostBusAdapter", "vm", "capability.supportedCpuFeature")
    found = values(retrieve(si, spec).objects[0])
    adapters = found["config.storageDevice.hostBusAdapter"]
    assert isinstance(adapters, vim.host.HostBusAdapter.Array)
    assert [type(each) for each in adapters] == [vim.host.BlockHba, vim.host.InternetScsiHba]
    assert isinstance(found["vm"], list)


def test_all_properties(si: Any) -> None:
    spec = object_filter(datacenter(si))
    spec.propSet[0].all = True
    found = values(retrieve(si, spec).objects[0])
    assert {"name", "vmFolder", "hostFolder", "overallStatus", "configuration"} <= found.keys()


def test_old_method_gives_objects_without_token(si: Any) -> None:
    spec = object_filter(datacenter(si), "name")
    (content,) = si.content.propertyCollector.RetrieveProperties([spec])
    assert values(content) == {"name": "Datacenter"}


@pytest.mark.parametrize("path", ["nonsense", "summary.nonsense", "summary[", "", "name.x", "vm[3].name.y"])
def test_invalid_property(si: Any, path: str) -> None:
    host = cluster(si, "management").host[0]
    with pytest.raises(vmodl.query.InvalidProperty) as caught:
        retrieve(si, object_filter(host, path))
    assert caught.value.name == path


def test_keyed_paths_with_dots_in_the_key(si: Any) -> None:
    settings = si.content.setting
    settings.UpdateOptions([vim.option.OptionValue(key="RemoteDisplay.vnc.port", value="5901")])
    path = 'setting["RemoteDisplay.vnc.port"]'
    found = values(retrieve(si, object_filter(settings, path, path + ".value")).objects[0])
    assert found[path].key == "RemoteDisplay.vnc.port"
    assert found[path + ".value"] == "5901"
    absent = retrieve(si, object_filter(settings, 'setting["no.such"].value')).objects[0]
    assert absent.propSet == []


def test_keyed_path_of_a_subtype(si: Any) -> None:
    host = cluster(si, "management").host[0]
    path = 'config.storageDevice.hostBusAdapter["key-vim.host.InternetScsiHba-vmhba64"].iScsiName'
    found = values(retrieve(si, object_filter(host, path)).objects[0])
    assert found[path].startswith("iqn.")


def test_paging(si: Any, folders: list[Any]) -> None:
    step = Collector.TraversalSpec(name="t", type=vim.Folder, path="childEntity", skip=False)
    spec = Collector.FilterSpec(
        objectSet=[Collector.ObjectSpec(obj=folders[0].parent, skip=True, selectSet=[step])],
        propSet=[Collector.PropertySpec(type=vim.Folder, pathSet=["name"])],
    )
    collector = si.content.propertyCollector
    page = retrieve(si, spec, 3)
    pages = [page]
    while page.token:
        page = collector.ContinueRetrievePropertiesEx(page.token)
        pages.append(page)
    assert [len(each.objects) for each in pages] == [3, 3, 1]
    names = [values(row)["name"] for each in pages for row in each.objects]
    assert names == [f"f{number}" for number in range(7)]
    with pytest.raises(vmodl.fault.InvalidArgument):
        collector.ContinueRetrievePropertiesEx(pages[0].token)
    token = retrieve(si, spec, 3).token
    collector.CancelRetrievePropertiesEx(token)
    with pytest.raises(vmodl.fault.InvalidArgument):
        collector.ContinueRetrievePropertiesEx(token)


def test_a_page_leaves_out_what_has_gone(si: Any, folders: list[Any]) -> None:
    view = si.content.viewManager.CreateListView(folders)
    first = retrieve(si, view_filter(view, vim.Folder, "name"), 5)
    folders[6].Destroy()
    deadline_free = si.content.propertyCollector.ContinueRetrievePropertiesEx
    while si.content.searchIndex.FindChild(folders[0].parent, "f6") is not None:
        pass
    rest = deadline_free(first.token)
    assert [values(row)["name"] for row in rest.objects] == ["f5"]


def test_tokens_belong_to_their_session(si: Any, vcenter: Any, connect: Any, folders: list[Any]) -> None:
    view = si.content.viewManager.CreateListView(folders)
    token = retrieve(si, view_filter(view, vim.Folder, "name"), 2).token
    with pytest.raises(vmodl.fault.InvalidArgument):
        connect(vcenter).content.propertyCollector.ContinueRetrievePropertiesEx(token)


def test_traversal_in_circles_ends_and_reports_each_object_once(si: Any) -> None:
    down = Collector.TraversalSpec(
        name="down",
        type=vim.Folder,
        path="childEntity",
        skip=False,
        selectSet=[Collector.SelectionSpec(name="down"), Collector.SelectionSpec(name="up")],
    )
    up = Collector.TraversalSpec(
        name="up",
        type=vim.ManagedEntity,
        path="parent",
        skip=False,
        selectSet=[Collector.SelectionSpec(name="down"), Collector.SelectionSpec(name="up")],
    )
    spec = Collector.FilterSpec(
        objectSet=[Collector.ObjectSpec(obj=si.content.rootFolder, selectSet=[down, up])],
        propSet=[Collector.PropertySpec(type=vim.ManagedEntity, pathSet=["name"])],
    )
    found = [row.obj._moId for row in retrieve(si, spec).objects]
    assert len(found) == len(set(found))
    assert found[0] == si.content.rootFolder._moId


def test_parents_come_from_the_child_upwards(si: Any) -> None:
    pool = cluster(si, "compute").resourcePool
    up = Collector.TraversalSpec(
        name="up",
        type=vim.ManagedEntity,
        path="parent",
        skip=False,
        selectSet=[Collector.SelectionSpec(name="up")],
    )
    spec = Collector.FilterSpec(
        objectSet=[Collector.ObjectSpec(obj=pool, selectSet=[up])],
        propSet=[Collector.PropertySpec(type=vim.ManagedEntity, pathSet=["name"])],
    )
    names = [values(row)["name"] for row in retrieve(si, spec).objects]
    assert names == ["Resources", "compute", "host", "Datacenter", "Datacenters"]


def test_traversal_matches_subclasses_without_doubles(si: Any) -> None:
    folder = datacenter(si).hostFolder
    specs = [
        Collector.TraversalSpec(name=name, type=vim_type, path="host", skip=False)
        for name, vim_type in (("a", vim.ComputeResource), ("b", vim.ClusterComputeResource))
    ]
    children = Collector.TraversalSpec(
        name="c", type=vim.Folder, path="childEntity", skip=False, selectSet=specs
    )
    spec = Collector.FilterSpec(
        objectSet=[Collector.ObjectSpec(obj=folder, selectSet=[children])],
        propSet=[Collector.PropertySpec(type=vim.HostSystem, pathSet=["name"])],
    )
    names = [values(row)["name"] for row in retrieve(si, spec).objects]
    assert names == ["127.0.77.11", "127.0.77.12", "127.0.77.13"]


def test_unknown_selection_name(si: Any) -> None:
    spec = object_filter(si.content.rootFolder, "name")
    spec.objectSet[0].selectSet = [Collector.SelectionSpec(name="nowhere")]
    with pytest.raises(vmodl.fault.InvalidArgument):
        retrieve(si, spec)


def test_missing_object(si: Any) -> None:
    gone = vim.Folder("group-v99999", si._stub)
    with pytest.raises(vmodl.fault.ManagedObjectNotFound) as caught:
        retrieve(si, object_filter(gone, "name"))
    assert caught.value.obj == gone
    spec = object_filter(gone, "name")
    spec.reportMissingObjectsInResults = True
    assert retrieve(si, spec) is None


def test_no_objects_is_an_empty_response(si: Any) -> None:
    spec = object_filter(si.content.rootFolder, "name", vim_type=vim.VirtualMachine)
    assert retrieve(si, spec) is None


def test_direct_property_reads(si: Any) -> None:
    assert si.content.rootFolder.name == "Datacenters"
    assert si.content.rootFolder.parent is None
    assert si.content.sessionManager.currentSession.userName == "administrator@vsphere.local"
