"""Sessions, extensions, settings, licences, roles, custom fields."""

from __future__ import annotations

import threading
import time
from typing import Any

import pytest
from clients import cluster, datacenter, wait_for_task
from pyVim.connect import SmartConnect
from pyVmomi import vim, vmodl

from vcenter_server import PASSWORD, USER


def test_login_and_logout(vcenter: Any, connect: Any) -> None:
    si = connect(vcenter)
    session = si.content.sessionManager.currentSession
    assert session.userName == USER
    manager = si.content.sessionManager
    assert manager.SessionIsActive(session.key, USER)
    assert not manager.SessionIsActive("nonsense", USER)
    assert session.key in [each.key for each in manager.sessionList]
    manager.Logout()
    with pytest.raises(vim.fault.NotAuthenticated):
        _ = si.content.rootFolder.name


def test_wrong_password(vcenter: Any) -> None:
    with pytest.raises(vim.fault.InvalidLogin):
        SmartConnect(
            host=vcenter.host, port=vcenter.port, user=USER, pwd=PASSWORD + "x",
            sslContext=vcenter.client_context(),
        )  # fmt: skip


def test_terminate_session(si: Any, vcenter: Any, connect: Any) -> None:
    other = connect(vcenter)
    key = other.content.sessionManager.currentSession.key
    si.content.sessionManager.TerminateSession([key])
    with pytest.raises(vim.fault.NotAuthenticated):
        _ = other.content.rootFolder.name
    with pytest.raises(vim.fault.NotFound):
        si.content.sessionManager.TerminateSession([key])
    with pytest.raises(vmodl.fault.InvalidArgument):
        si.content.sessionManager.TerminateSession([si.content.sessionManager.currentSession.key])


def test_extensions(si: Any) -> None:
    manager = si.content.extensionManager
    key = "org.openstack.test"
    extension = vim.Extension(
        key=key,
        version="1.0",
        description=vim.Description(label="OpenStack", summary="Instances"),
        server=[vim.Extension.ServerInfo(
            url="https://x", company="c", type="t", adminEmail=["a@b"],
            description=vim.Description(label="l", summary="s"))],
        lastHeartbeatTime=si.CurrentTime(),
    )  # fmt: skip
    assert manager.FindExtension(key) is None
    manager.RegisterExtension(extension)
    assert manager.FindExtension(key).server[0].url == "https://x"
    with pytest.raises(vmodl.fault.InvalidArgument):
        manager.RegisterExtension(extension)
    extension.version = "2.0"
    manager.UpdateExtension(extension)
    assert [e.version for e in manager.extensionList if e.key == key] == ["2.0"]
    assert manager.QueryManagedBy(key) == []
    manager.UnregisterExtension(key)
    for call in (lambda: manager.UnregisterExtension(key), lambda: manager.UpdateExtension(extension)):
        with pytest.raises(vim.fault.NotFound):
            call()


def test_settings(si: Any, vcenter: Any) -> None:
    setting = si.content.setting
    (fqdn,) = setting.QueryOptions("VirtualCenter.FQDN")
    assert fqdn.value == vcenter.host
    assert {o.key for o in setting.QueryOptions("task.")} == {"task.maxAge", "task.maxAgeEnabled"}
    setting.UpdateOptions([vim.option.OptionValue(key="task.maxAge", value=7)])
    assert setting.QueryOptions("task.maxAge")[0].value == 7
    with pytest.raises(vim.fault.InvalidName):
        setting.QueryOptions("no.such")


def test_licence(si: Any) -> None:
    manager = si.content.licenseManager
    assert [each.editionKey for each in manager.licenses] == ["eval"]
    assigned = manager.licenseAssignmentManager.QueryAssignedLicenses(None)
    assert len(assigned) == 4
    host = cluster(si, "compute").host[0]
    (one,) = manager.licenseAssignmentManager.QueryAssignedLicenses(host._moId)
    assert one.entityDisplayName == host.name


def test_roles(si: Any) -> None:
    manager = si.content.authorizationManager
    admin = next(role for role in manager.roleList if role.name == "Admin")
    assert "VirtualMachine.Inventory.Create" in admin.privilege
    key = manager.AddAuthorizationRole("Viaduct", ["VirtualMachine.Inventory.Create"])
    with pytest.raises(vim.fault.AlreadyExists):
        manager.AddAuthorizationRole("Viaduct", [])
    manager.UpdateAuthorizationRole(key, "Viaduct 2", [])
    (made,) = [role for role in manager.roleList if role.roleId == key]
    assert (made.name, made.system) == ("Viaduct 2", False)
    assert "System.Read" in made.privilege
    manager.RemoveAuthorizationRole(key, True)
    for bad in (key, -1):
        with pytest.raises(vim.fault.NotFound):
            manager.RemoveAuthorizationRole(bad, True)


def test_privileges(si: Any) -> None:
    manager = si.content.authorizationManager
    session = si.content.sessionManager.currentSession.key
    wanted = ["System.View", "Folder.Create"]
    assert manager.HasPrivilegeOnEntity(datacenter(si), session, wanted) == [True, True]
    (row,) = manager.HasUserPrivilegeOnEntities([datacenter(si)], "nobody", wanted)
    assert [each.isGranted for each in row.privAvailability] == [False, False]
    (row,) = manager.FetchUserPrivilegeOnEntities([datacenter(si)], USER)
    assert set(wanted) <= set(row.privileges)
    (permission,) = manager.RetrieveAllPermissions()
    assert (permission.principal, permission.roleId) == (USER, -1)
    assert manager.RetrieveEntityPermissions(datacenter(si), False) == []
    with pytest.raises(vim.fault.NotAuthenticated):
        manager.HasPrivilegeOnEntity(datacenter(si), "nonsense", wanted)


def test_custom_fields(si: Any) -> None:
    manager = si.content.customFieldsManager
    field = manager.AddCustomFieldDef("owner", vim.Datacenter)
    with pytest.raises(vim.fault.DuplicateName):
        manager.AddCustomFieldDef("owner", None)
    target = datacenter(si)
    manager.SetField(target, field.key, "me")
    target.setCustomValue("owner", "you")
    assert [(v.key, v.value) for v in target.customValue] == [(field.key, "you")]
    assert [f.name for f in target.availableField] == ["owner"]
    assert target.vmFolder.availableField == []
    manager.RenameCustomFieldDef(field.key, "tenant")
    assert [f.name for f in target.availableField] == ["tenant"]
    manager.RemoveCustomFieldDef(field.key)
    assert target.customValue == []
    with pytest.raises(vmodl.fault.InvalidArgument):
        manager.SetField(target, field.key, "x")


def test_control_socket(vcenter: Any, connect: Any) -> None:
    assert vcenter.control("GET", "/health")["status"] == "ok"
    rows = vcenter.control("GET", "/inventory")
    paths = {row["path"]: row["type"] for row in rows}
    assert paths["/"] == "Folder"
    assert paths["/Datacenter/host/compute/127.0.77.13"] == "HostSystem"
    vcenter.control("POST", "/calls/reset")
    si = connect(vcenter)
    counts = vcenter.control("GET", "/calls")
    assert counts["Login"] == 1
    order = {"method": "CreateFolder", "fault": "NotEnoughLicenses", "message": "ordered", "times": 2}
    assert vcenter.control("POST", "/faults", order) == {"CreateFolder": 2}
    folder = datacenter(si).vmFolder
    with pytest.raises(vmodl.fault.NotEnoughLicenses, match="ordered"):
        folder.CreateFolder("x")
    assert vcenter.control("GET", "/faults") == {"CreateFolder": 1}
    assert vcenter.control("DELETE", "/faults") == {}
    folder.CreateFolder("x").Destroy()
    with pytest.raises(AssertionError, match="Nonsense"):
        vcenter.control("POST", "/faults", {"method": "x", "fault": "Nonsense"})
    assert vcenter.control("POST", "/sessions/drop")["dropped"] >= 1
    with pytest.raises(vim.fault.NotAuthenticated):
        _ = folder.name


def test_dropped_sessions_wake_waiting_clients(vcenter: Any, connect: Any) -> None:
    si = connect(vcenter)
    collector = si.content.propertyCollector
    timer = threading.Timer(0.3, lambda: vcenter.control("POST", "/sessions/drop"))
    timer.start()
    begin = time.monotonic()
    with pytest.raises(vim.fault.NotAuthenticated):
        collector.WaitForUpdatesEx("", vmodl.query.PropertyCollector.WaitOptions(maxWaitSeconds=20))
    assert time.monotonic() - begin < 5
    timer.join()


def test_ordered_fault_in_a_task(vcenter: Any, si: Any) -> None:
    folder = datacenter(si).vmFolder.CreateFolder("ordered")
    order = {"method": "Rename_Task", "fault": "NoDiskSpace", "message": "full", "in_task": True}
    vcenter.control("POST", "/faults", order)
    with pytest.raises(vim.fault.NoDiskSpace, match="full"):
        wait_for_task(folder.Rename("other"))
    wait_for_task(folder.Rename("other"))
    wait_for_task(folder.Destroy())
