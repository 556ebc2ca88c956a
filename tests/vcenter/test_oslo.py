"""oslo.vmware, as Nova, Cinder and Glance use it: the WSDL comes from the server."""

from __future__ import annotations

from typing import Any

import pytest
from oslo_service import loopingcall
from oslo_vmware import api, exceptions, vim_util

from vcenter_server import PASSWORD, USER


@pytest.fixture(scope="module")
def session(vcenter: Any) -> Any:
    """An oslo.vmware session; loading the WSDL takes about two seconds."""
    made = api.VMwareAPISession(
        vcenter.host,
        USER,
        PASSWORD,
        api_retry_count=1,
        task_poll_interval=0.05,
        port=vcenter.port,
        cacert=str(vcenter.ca_file),
    )
    yield made
    made.logout()


def objects(session: Any, type_name: str, *paths: str) -> list[Any]:
    """All objects of a type, by the driver's standard traversal."""
    result = session.invoke_api(vim_util, "get_objects", session.vim, type_name, 2, list(paths))
    found = []
    with vim_util.WithRetrieval(session.vim, result) as rows:
        found = list(rows)
    return found


def test_objects_come_in_pages(session: Any) -> None:
    rows = objects(session, "HostSystem", "name", "summary.hardware")
    assert [row.propSet[0].val for row in rows] == ["127.0.77.11", "127.0.77.12", "127.0.77.13"]
    assert rows[0].propSet[1].val.__class__.__name__ == "HostHardwareSummary"
    clusters = objects(session, "ClusterComputeResource", "name", "host", "datastore", "resourcePool")
    properties = {each.name: each.val for each in clusters[0].propSet}
    assert properties["host"].__class__.__name__ == "ArrayOfManagedObjectReference"
    assert len(properties["host"].ManagedObjectReference) == 2
    assert objects(session, "VirtualApp", "name") == []


def test_property_of_an_object(session: Any) -> None:
    host = objects(session, "HostSystem", "name")[0].obj
    adapters = session.invoke_api(
        vim_util, "get_object_property", session.vim, host, "config.storageDevice.hostBusAdapter"
    )
    assert adapters.__class__.__name__ == "ArrayOfHostHostBusAdapter"
    classes = [each.__class__.__name__ for each in adapters.HostHostBusAdapter]
    assert classes == ["HostBlockHba", "HostInternetScsiHba"]
    runtime = session.invoke_api(vim_util, "get_object_property", session.vim, host, "runtime")
    assert runtime.connectionState == "connected"


def test_folders_and_faults(session: Any) -> None:
    index = session.vim.service_content.searchIndex
    folder = session.invoke_api(session.vim, "FindByInventoryPath", index, inventoryPath="Datacenter/vm")
    made = session.invoke_api(session.vim, "CreateFolder", folder, name="oslo")
    with pytest.raises(exceptions.DuplicateName) as caught:
        session.invoke_api(session.vim, "CreateFolder", folder, name="oslo")
    assert caught.value.details["object"] == vim_util.get_moref_value(made)
    task = session.invoke_api(session.vim, "Rename_Task", made, newName="oslo2")
    info = session.wait_for_task(task)
    assert info.state == "success"
    task = session.invoke_api(session.vim, "Destroy_Task", made)
    session.wait_for_task(task)
    with pytest.raises(exceptions.ManagedObjectNotFoundException):
        session.invoke_api(session.vim, "Rename_Task", made, newName="x")


def test_failed_task_raises_its_fault(session: Any) -> None:
    index = session.vim.service_content.searchIndex
    folder = session.invoke_api(session.vim, "FindByInventoryPath", index, inventoryPath="Datacenter/vm")
    one = session.invoke_api(session.vim, "CreateFolder", folder, name="one")
    two = session.invoke_api(session.vim, "CreateFolder", folder, name="two")
    with pytest.raises(exceptions.DuplicateName):
        session.wait_for_task(session.invoke_api(session.vim, "Rename_Task", two, newName="one"))
    for each in (one, two):
        session.wait_for_task(session.invoke_api(session.vim, "Destroy_Task", each))


def test_extension(session: Any) -> None:
    manager = session.vim.service_content.extensionManager
    found = session.invoke_api(session.vim, "FindExtension", manager, extensionKey="org.openstack.none")
    assert not found
    vim_util.register_extension(session.vim, "org.openstack.compute", "OpenStack")
    assert vim_util.find_extension(session.vim, "org.openstack.compute").key == "org.openstack.compute"


def test_a_lost_session_is_made_anew(session: Any, vcenter: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    # count, seconds more a try, most seconds, exceptions: do not sleep 10 s before the second try
    monkeypatch.setattr(loopingcall.RetryDecorator.__init__, "__defaults__", (-1, 0, 0, ()))
    vcenter.control("POST", "/sessions/drop")
    assert len(objects(session, "HostSystem", "name")) == 3


def test_service_ticket(session: Any, vcenter: Any) -> None:
    manager = session.vim.service_content.sessionManager
    spec = session.vim.client.factory.create("ns0:SessionManagerHttpServiceRequestSpec")
    spec.method = "httpPut"
    spec.url = f"https://{vcenter.config.addresses[1]}:{vcenter.port}/folder/x"
    ticket = session.invoke_api(session.vim, "AcquireGenericServiceTicket", manager, spec=spec)
    assert ticket.hostName == vcenter.config.addresses[1]
    assert len(ticket.id) > 20
    assert len(ticket.sslThumbprint) == 59
