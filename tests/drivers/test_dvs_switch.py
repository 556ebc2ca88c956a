"""The client of a distributed switch against the lab's vCenter."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import pytest
from dvs_groups import CLOUD, DB, WEB, MemoryNetworks, standing, wanted
from pyVim.connect import Disconnect, SmartConnect
from pyVmomi import vim

pytest.importorskip("uvloop", reason="needs what the lab's vCenter needs")

from vcenter_server import PASSWORD, USER, VCenterProcess
from viaduct_drivers.neutron.config import DvsOptions
from viaduct_drivers.neutron.errors import (
    InventoryNotFound,
    LoginRefused,
    NameTaken,
    PortGroupInUse,
    VCenterUnreachable,
)
from viaduct_drivers.neutron.portgroup import VLAN_NONE
from viaduct_drivers.neutron.reconcile import repair
from viaduct_drivers.neutron.repair import changes
from viaduct_drivers.neutron.switch import DistributedSwitch


def _options(server: VCenterProcess, **changed: Any) -> DvsOptions:
    options = DvsOptions(
        host_ip=server.host,
        host_port=server.port,
        host_username=USER,
        host_password=PASSWORD,
        ca_file=str(server.ca_file),
        insecure=False,
        datacenter="Datacenter",
        switch="dvs",
        physical_network="dvs",
        cloud=CLOUD,
        name_prefix=CLOUD,
        num_ports=8,
        connection_timeout=5,
        task_timeout=10,
        task_poll_interval=0.01,
        repair_on_start=False,
        repair_interval=0,
    )
    return replace(options, **changed)


@pytest.fixture
def switch(vcenter: VCenterProcess) -> Iterator[DistributedSwitch]:
    """The lab's switch; port groups of ours are gone afterwards."""
    switch = DistributedSwitch(_options(vcenter))
    yield switch
    for group in switch.port_groups():
        if group.mark is not None:
            switch.delete(group)
    switch.close()


@pytest.fixture
def api(vcenter: VCenterProcess) -> Iterator[Any]:
    """vCenter as a vSphere administrator sees it."""
    instance = SmartConnect(
        host=vcenter.host, port=vcenter.port, user=USER, pwd=PASSWORD, sslContext=vcenter.client_context()
    )
    yield instance.content
    Disconnect(instance)


def _in_vcenter(api: Any, name: str) -> Any:
    datacenter = api.searchIndex.FindByInventoryPath("Datacenter")
    return next(network for network in datacenter.network if network.name == name)


def test_what_is_made_stands_in_vcenter(switch: DistributedSwitch, api: Any) -> None:
    group = switch.create(wanted(WEB, "web", 1007))
    assert changes(group, wanted(WEB, "web", 1007)) == ()
    assert not group.in_use

    seen = _in_vcenter(api, group.name)
    assert isinstance(seen, vim.dvs.DistributedVirtualPortgroup)
    assert seen.key == group.key
    assert seen.config.defaultPortConfig.vlan.vlanId == 1007
    assert seen.config.type == "earlyBinding"
    assert seen.config.autoExpand
    assert seen.config.description.startswith(f"viaduct:c1:{WEB} ")
    assert seen.config.distributedVirtualSwitch.uuid == switch.uuid()
    security = seen.config.defaultPortConfig.securityPolicy
    assert not security.allowPromiscuous.value
    assert not security.forgedTransmits.value


def test_making_again_is_harmless(switch: DistributedSwitch) -> None:
    first = switch.create(wanted(WEB, "web", 1007))
    assert switch.create(wanted(WEB, "web", 1007)) == first
    assert switch.ensure(wanted(WEB, "web", 1007)) == first
    assert [group for group in switch.port_groups() if group.mark] == [first]


def test_two_that_make_the_same_at_once(vcenter: VCenterProcess, switch: DistributedSwitch) -> None:
    other = DistributedSwitch(_options(vcenter))
    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(lambda n: (switch, other)[n % 2].create(wanted(WEB, "web", 1007)), range(8)))
    assert len({group.moid for group in made}) == 1
    other.close()


def test_changes_are_made_in_place(switch: DistributedSwitch) -> None:
    before = switch.create(wanted(WEB, "web", 1007))
    target = wanted(WEB, "shop", VLAN_NONE, port_security=False, admin_state_up=False)
    after = switch.ensure(target)
    assert after.key == before.key
    assert changes(after, target) == ()
    assert (after.vlan, after.port_security, after.blocked) == (0, False, True)


def test_a_trunk_is_no_vlan(switch: DistributedSwitch) -> None:
    found = {group.name: group for group in switch.port_groups()}
    assert found["trunk"].vlan is None
    assert found["external"].vlan == 11
    assert found["management"].vlan == 0
    assert {group.mark for group in found.values()} == {None}


def test_removed_and_absent(switch: DistributedSwitch) -> None:
    group = switch.create(wanted(WEB))
    switch.delete(group)
    assert switch.find(WEB) is None
    switch.delete(group)


def test_one_that_somebody_else_removed_is_found_missing_and_made_again(
    vcenter: VCenterProcess, switch: DistributedSwitch
) -> None:
    group = switch.create(wanted(WEB))
    other = DistributedSwitch(_options(vcenter))
    other.delete(group)
    other.close()
    assert switch.find(WEB) is None
    assert switch.ensure(wanted(WEB)).moid != group.moid


def test_another_clouds_port_group_is_not_ours(vcenter: VCenterProcess, switch: DistributedSwitch) -> None:
    group = switch.create(wanted(WEB))
    other = DistributedSwitch(_options(vcenter, cloud="c2"))
    assert other.find(WEB) is None
    with pytest.raises(NameTaken, match=group.name):
        other.create(wanted(WEB))
    other.close()


def test_one_in_use_is_not_removed(switch: DistributedSwitch, api: Any) -> None:
    group = switch.create(wanted(WEB))
    nic = vim.vm.device.VirtualVmxnet3(
        key=-1,
        backing=vim.vm.device.VirtualEthernetCard.DistributedVirtualPortBackingInfo(
            port=vim.dvs.PortConnection(switchUuid=switch.uuid(), portgroupKey=group.key)
        ),
    )
    datacenter = api.searchIndex.FindByInventoryPath("Datacenter")
    cluster = api.searchIndex.FindByInventoryPath("Datacenter/host/compute")
    spec = vim.vm.ConfigSpec(
        name="guest",
        guestId="otherGuest",
        files=vim.vm.FileInfo(vmPathName="[compute-ds]"),
        deviceChange=[vim.vm.device.VirtualDeviceSpec(operation="add", device=nic)],
    )
    made = datacenter.vmFolder.CreateVM_Task(spec, cluster.resourcePool)
    _done(made)
    try:
        found = switch.find(WEB)
        assert found is not None
        assert found.in_use
        with pytest.raises(PortGroupInUse, match=group.name):
            switch.delete(found)
        assert [outcome.result for outcome in repair(CLOUD, switch, MemoryNetworks())] == ["attention"]
    finally:
        _done(made.info.result.Destroy_Task())
    assert [outcome.result for outcome in repair(CLOUD, switch, MemoryNetworks())] == ["done"]
    assert switch.find(WEB) is None


def _done(task: Any) -> None:
    for _ in range(500):
        if task.info.state in ("success", "error"):
            break
        threading.Event().wait(0.01)
    assert task.info.state == "success", task.info.error


def test_a_repair_of_everything_at_once(switch: DistributedSwitch, api: Any) -> None:
    kept = switch.create(wanted(WEB, "web", 1001))
    orphan = switch.create(wanted(DB, "db", 1002))
    spec = vim.dvs.DistributedVirtualPortgroup.ConfigSpec(
        name="meddled", configVersion=_in_vcenter(api, kept.name).config.configVersion
    )
    _done(_in_vcenter(api, kept.name).ReconfigureDVPortgroup_Task(spec))
    untouched = {group.name for group in switch.port_groups() if group.mark is None}
    new = wanted("0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0", "new", 1003)

    outcomes = repair(CLOUD, switch, MemoryNetworks(wanted(WEB, "web", 1001), new))
    assert [(o.action, o.result) for o in outcomes] == [
        ("delete", "done"),
        ("update", "done"),
        ("create", "done"),
    ]
    names = {group.name for group in switch.port_groups()}
    assert names == untouched | {kept.name, new.name}
    assert orphan.name not in names
    assert repair(CLOUD, switch, MemoryNetworks(wanted(WEB, "web", 1001), new)) == []


def test_a_dropped_session_is_opened_again(vcenter: VCenterProcess, switch: DistributedSwitch) -> None:
    group = switch.create(wanted(WEB))
    vcenter.control("POST", "/sessions/drop")
    assert switch.find(WEB) == group
    vcenter.control("POST", "/sessions/drop")
    switch.delete(group)
    assert switch.find(WEB) is None


def test_a_restarted_vcenter(fresh_vcenter: VCenterProcess) -> None:
    switch = DistributedSwitch(_options(fresh_vcenter))
    group = switch.create(wanted(WEB))
    fresh_vcenter.stop()
    with pytest.raises(VCenterUnreachable, match="does not answer"):
        switch.find(WEB)
    with pytest.raises(VCenterUnreachable):
        switch.create(wanted(DB))
    fresh_vcenter.start()
    switch._vcenter._down = None  # do not wait out the seconds for which a request fails fast
    assert switch.find(WEB) == group
    switch.close()


def test_while_vcenter_is_down_requests_fail_fast(vcenter: VCenterProcess) -> None:
    attempts = []

    def connect(**arguments: Any) -> Any:
        attempts.append(arguments)
        raise ConnectionRefusedError("refused")

    switch = DistributedSwitch(_options(vcenter))
    switch._vcenter._connect = connect
    for _ in range(3):
        with pytest.raises(VCenterUnreachable, match="does not answer: refused"):
            switch.find(WEB)
    assert len(attempts) == 1


@pytest.mark.parametrize(
    ("changed", "error", "text"),
    [
        ({"host_password": "wrong"}, LoginRefused, "refuses user"),
        ({"switch": "none"}, InventoryNotFound, r"switch none .* \(there: dvs\)"),
        ({"datacenter": "Elsewhere"}, InventoryNotFound, "datacenter Elsewhere"),
        ({"ca_file": None}, VCenterUnreachable, "certificate not trusted"),
        ({"ca_file": "/nonexistent"}, VCenterUnreachable, "/nonexistent"),
        ({"host_port": 1}, VCenterUnreachable, "does not answer"),
    ],
)
def test_what_is_wrong_is_said(
    vcenter: VCenterProcess, changed: dict[str, Any], error: type[Exception], text: str
) -> None:
    switch = DistributedSwitch(_options(vcenter, **changed))
    with pytest.raises(error, match=text):
        switch.create(wanted(WEB))


def test_unverified_only_when_told(vcenter: VCenterProcess) -> None:
    switch = DistributedSwitch(_options(vcenter, ca_file=None, insecure=True))
    assert standing(wanted(WEB)).name not in {group.name for group in switch.port_groups()}
    switch.close()


def test_a_known_port_group_costs_one_request(vcenter: VCenterProcess, switch: DistributedSwitch) -> None:
    switch.create(wanted(WEB))
    vcenter.control("POST", "/calls/reset")
    switch.ensure(wanted(WEB))
    switch.uuid()
    assert vcenter.control("GET", "/calls") == {"RetrievePropertiesEx": 1}
