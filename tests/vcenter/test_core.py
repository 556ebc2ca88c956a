"""Parts of the core by themselves."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import Any

import pytest
from pyVmomi import vim, vmodl

from vcenter_server import PASSWORD, USER, make_vcenter
from viaduct_lab.vcenter.core.naming import plain_name
from viaduct_lab.vcenter.core.property_paths import Step, declared_type, parse_path, value_at
from viaduct_lab.vcenter.core.relations import Relations
from viaduct_lab.vcenter.history.pager import Pager
from viaduct_lab.vcenter.kinds.folder import Folder
from viaduct_lab.vcenter.server import open_center


@pytest.fixture(scope="module")
def center(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A vCenter without a network, in this process."""
    server = make_vcenter(tmp_path_factory.mktemp("center"), network="127.0.79")

    async def make() -> Any:
        return await open_center(server.config)

    made = asyncio.run(make())
    yield made
    made.store.close()


@pytest.mark.parametrize(
    ("path", "steps"),
    [
        ("name", [Step("name")]),
        ("config.files.vmPathName", [Step("config"), Step("files"), Step("vmPathName")]),
        (
            'config.extraConfig["a.b[1]"].value',
            [Step("config"), Step("extraConfig", "a.b[1]"), Step("value")],
        ),
        ("config.hardware.device[4000]", [Step("config"), Step("hardware"), Step("device", "4000")]),
    ],
)
def test_paths(path: str, steps: list[Step]) -> None:
    assert list(parse_path(path)) == steps


@pytest.mark.parametrize("path", ["", ".", "a.", "a..b", "a[", 'a["b', "a]b", "a[1]b", "1a", "a b"])
def test_bad_paths(path: str) -> None:
    with pytest.raises(vmodl.query.InvalidProperty):
        parse_path(path)


def test_declared_types() -> None:
    assert declared_type(vim.VirtualMachine, "config.extraConfig") is vim.option.OptionValue.Array
    assert declared_type(vim.VirtualMachine, 'config.extraConfig["x.y"]') is vim.option.OptionValue
    path = "config.hardware.device[4000].macAddress"
    assert declared_type(vim.VirtualMachine, path) is str
    with pytest.raises(vmodl.query.InvalidProperty):
        declared_type(vim.VirtualMachine, "config[3]")


def test_values_behind_keys() -> None:
    mounts = vim.Datastore.HostMount.Array(
        [vim.Datastore.HostMount(key=vim.HostSystem("host-1"), mountInfo=vim.host.MountInfo(accessMode="ro"))]
    )
    assert value_at(mounts, parse_path("host[host-1].mountInfo.accessMode")) == "ro"
    assert value_at(mounts, parse_path("host[host-2].mountInfo")) is None
    assert value_at(mounts, parse_path("host.mountInfo")) is None


def test_escaped_names() -> None:
    assert plain_name("a%2fb%5C%25%20") == "a/b\\%%20"


def test_relations() -> None:
    told: list[tuple[str, str, str]] = []
    relations = Relations(lambda *change: told.append(change))
    relations.assign("vm-1", "vm.host", ["host-1"])
    relations.assign("vm-2", "vm.host", ["host-1"])
    assert relations.sources("host-1", "vm.host") == ("vm-1", "vm-2")
    told.clear()
    relations.assign("vm-1", "vm.host", ["host-1"])
    assert told == []
    relations.assign("vm-1", "vm.host", ["host-2"])
    assert told == [("vm-1", "host-1", "vm.host"), ("vm-1", "host-2", "vm.host")]
    relations.forget("vm-2")
    assert relations.sources("host-1", "vm.host") == ()
    assert relations.targets("vm-2", "vm.host") == ()


def test_pager() -> None:
    pager = Pager(list(range(25)))
    assert pager.latest_page() == list(range(24, 14, -1))
    assert pager.read_previous(3) == [24, 23, 22]
    assert pager.read_next(10) == [22, 23, 24]
    pager.rewind()
    assert pager.read_previous(5) == []
    assert pager.read_next(2) == [0, 1]


def test_idle_sessions_end(center: Any) -> None:
    session = center.sessions.login(USER.upper(), PASSWORD)
    ended: list[bool] = []
    session.on_end.append(lambda: ended.append(True))
    session.last_active_tick = time.monotonic() - center.sessions.idle_seconds - 1
    session.waiting = 1
    assert center.sessions.find(session.key) is session
    session.waiting = 0
    assert center.sessions.find(session.key) is None
    assert ended == [True]
    with pytest.raises(vim.fault.InvalidLogin):
        center.sessions.login(USER, "wrong")


def test_tickets_admit_one_request(center: Any) -> None:
    session = center.sessions.login(USER, PASSWORD)
    issue, redeem = center.sessions.issue_ticket, center.sessions.redeem_ticket
    url = "https://127.0.77.11/folder/a%20b/c.vmdk?dcPath=ha-datacenter&dsName=x"
    ticket = issue(session, "httpPut", url)
    assert redeem(ticket, "GET", url) is None
    assert redeem(ticket, "PUT", "https://127.0.77.11/folder/other") is None
    assert redeem("nonsense", "PUT", url) is None
    assert redeem(ticket, "PUT", "/folder/a b/c.vmdk") is session
    assert redeem(ticket, "PUT", url) is None
    other = issue(session, "PUT", url)
    center.sessions.end(session)
    assert redeem(other, "PUT", url) is None


def test_an_object_that_cannot_be_saved_does_not_hold_up_the_others(center: Any) -> None:
    folder = Folder.create(center, center.root_folder, "broken", "datacenter")
    center.commit()
    folder.name = "renamed"
    folder.dirty()
    folder.custom_values = {1: object()}  # type: ignore[dict-item]
    other = Folder.create(center, center.root_folder, "sound", "datacenter")
    with pytest.raises(TypeError):
        center.commit()
    saved = {moid: state for moid, _, state in center.store.objects()}
    assert saved[folder.moid]["name"] == "broken"
    assert saved[other.moid]["name"] == "sound"
    folder.custom_values = {}
    folder.dirty()
    center.commit()
    saved = {moid: state for moid, _, state in center.store.objects()}
    assert saved[folder.moid]["name"] == "renamed"
    center.registry.remove(other)
    center.registry.remove(folder)
    center.commit()
    assert folder.moid not in {moid for moid, _, _ in center.store.objects()}


def test_exclusive_tasks_wait_for_each_other(center: Any) -> None:
    folder = Folder.create(center, center.root_folder, "busy", "datacenter")
    order: list[str] = []

    async def run() -> None:
        async def body(name: str) -> None:
            order.append(f"{name} begins")
            await asyncio.sleep(0.02)
            order.append(f"{name} ends")

        for name in ("a", "b"):
            center.tasks.start(None, folder, "Rename_Task", lambda _, name=name: body(name), exclusive=True)
        while any(not task.finished for task in center.tasks.remembered()):
            await asyncio.sleep(0.01)

    asyncio.run(run())
    assert order == ["a begins", "a ends", "b begins", "b ends"]


def test_a_task_whose_result_has_no_xml_form_fails(center: Any) -> None:
    async def run() -> Any:
        async def body(_: Any) -> object:
            return object()

        ref = center.tasks.start(None, center.root_folder, "Rename_Task", body)
        task = center.registry.get(ref._moId)
        while not task.finished:
            await asyncio.sleep(0.01)
        return task.info

    info = asyncio.run(run())
    assert info.state == "error"
    assert isinstance(info.error, vmodl.fault.SystemError)


def test_a_broken_configuration_is_told(tmp_path: Path) -> None:
    server = make_vcenter(tmp_path, network="127.0.79")
    server.config.password_file.unlink()
    with pytest.raises(RuntimeError, match="cannot start: FileNotFoundError"):
        server.start()
