"""What a client has been told survives kill -9."""

from __future__ import annotations

import contextlib
import threading
import time
from typing import Any

import pytest
from clients import cluster, datacenter, wait_for_task
from pyVmomi import vim, vmodl


def test_kill_and_start(fresh_vcenter: Any, connect: Any) -> None:
    si = connect(fresh_vcenter)
    place = datacenter(si).vmFolder.CreateFolder("a/b")
    below = place.CreateFolder("below")
    task = below.Rename("renamed")
    wait_for_task(task)
    host = cluster(si, "compute").host[0]
    wait_for_task(host.EnterMaintenanceMode(0))
    group = vim.cluster.VmGroup(name="vms", vm=[])
    spec = vim.cluster.ConfigSpecEx(groupSpec=[vim.cluster.GroupSpec(operation="add", info=group)])
    wait_for_task(cluster(si, "management").ReconfigureComputeResource_Task(spec, True))
    pool = cluster(si, "compute").resourcePool.CreateResourcePool(
        "tenant", cluster(si, "compute").resourcePool.config
    )
    field = si.content.customFieldsManager.AddCustomFieldDef("owner", None)
    si.content.customFieldsManager.SetField(place, field.key, "me")
    role = si.content.authorizationManager.AddAuthorizationRole("r", [])
    si.content.setting.UpdateOptions([vim.option.OptionValue(key="a.b", value=3)])
    instance = si.content.about.instanceUuid
    events = len(si.content.eventManager.QueryEvents(vim.event.EventFilterSpec()))
    last = datacenter(si).vmFolder.CreateFolder("last")
    fresh_vcenter.kill()
    fresh_vcenter.start()
    si = connect(fresh_vcenter)
    index = si.content.searchIndex
    assert index.FindByInventoryPath("Datacenter/vm/a%2fb/renamed")._moId == below._moId
    assert index.FindByInventoryPath("Datacenter/vm/last")._moId == last._moId
    assert cluster(si, "compute").host[0].runtime.inMaintenanceMode
    assert cluster(si, "compute").summary.numEffectiveHosts == 0
    assert [g.name for g in cluster(si, "management").configurationEx.group] == ["vms"]
    assert [p._moId for p in cluster(si, "compute").resourcePool.resourcePool] == [pool._moId]
    kept = index.FindByInventoryPath("Datacenter/vm/a%2fb")
    assert [(v.key, v.value) for v in kept.customValue] == [(field.key, "me")]
    assert role in [r.roleId for r in si.content.authorizationManager.roleList]
    assert si.content.setting.QueryOptions("a.b")[0].value == 3
    assert si.content.about.instanceUuid == instance
    same = vim.Task(task._moId, si._stub)
    assert (same.info.state, same.info.entityName) == ("success", "below")
    assert len(si.content.eventManager.QueryEvents(vim.event.EventFilterSpec())) >= events
    fresh = datacenter(si).vmFolder.CreateFolder("fresh")
    assert int(fresh._moId.removeprefix("group-v")) > int(last._moId.removeprefix("group-v"))


def test_old_sessions_and_filters_are_gone(fresh_vcenter: Any, connect: Any) -> None:
    si = connect(fresh_vcenter)
    collector = si.content.propertyCollector.CreatePropertyCollector()
    fresh_vcenter.kill()
    fresh_vcenter.start()
    with contextlib.suppress(OSError):  # pyVmomi finds out that its kept connection is dead
        _ = si.content.rootFolder.name
    with pytest.raises(vim.fault.NotAuthenticated):
        _ = si.content.rootFolder.name
    again = connect(fresh_vcenter)
    same = vmodl.query.PropertyCollector(collector._moId, again._stub)
    with pytest.raises(vmodl.fault.ManagedObjectNotFound):
        same.CheckForUpdates("")


def test_a_task_that_ran_has_failed(fresh_vcenter: Any, connect: Any) -> None:
    fresh_vcenter.stop()
    fresh_vcenter.config = type(fresh_vcenter.config)(
        **{**fresh_vcenter.config.__dict__, "task_seconds": 60.0}
    )
    fresh_vcenter.start()
    si = connect(fresh_vcenter)
    folder = datacenter(si).vmFolder.CreateFolder("x")
    task = folder.Rename("y")
    deadline = time.monotonic() + 5
    while task.info.state != "running":
        assert time.monotonic() < deadline
    fresh_vcenter.kill()
    fresh_vcenter.start()
    si = connect(fresh_vcenter)
    info = vim.Task(task._moId, si._stub).info
    assert info.state == "error"
    assert isinstance(info.error, vmodl.fault.SystemError)
    assert info.completeTime is not None


def test_orderly_end_is_quick_even_with_waiting_clients(fresh_vcenter: Any, connect: Any) -> None:
    si = connect(fresh_vcenter)
    ended: list[str] = []

    def wait() -> None:
        options = vmodl.query.PropertyCollector.WaitOptions(maxWaitSeconds=60)
        try:
            si.content.propertyCollector.WaitForUpdatesEx("", options)
        except Exception as error:
            ended.append(type(error).__name__)

    thread = threading.Thread(target=wait)
    thread.start()
    time.sleep(0.3)
    assert fresh_vcenter.stop() < 2.0
    thread.join(5)
    assert ended
