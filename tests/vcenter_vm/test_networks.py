"""Distributed switches and port groups."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from vcenter_vm.client import Change, Lab, adapters, vim

_s = vim.dvs.VmwareDistributedVirtualSwitch


def group_spec(name: str, vlan: int | None = 100, **fields: Any) -> Any:
    setting = None
    if vlan is not None:
        tag = _s.VlanIdSpec(inherited=False, vlanId=vlan)
        setting = _s.VmwarePortConfigPolicy(vlan=tag)
    return vim.dvs.DistributedVirtualPortgroup.ConfigSpec(
        name=name, type=fields.pop("type", "earlyBinding"), defaultPortConfig=setting, **fields
    )


@pytest.fixture
def group(lab: Lab) -> Iterator[Any]:
    made = lab.wait(lab.switch.CreateDVPortgroup_Task(group_spec("tenant", 1000)))
    yield made
    lab.clean()
    lab.wait(made.Destroy_Task())


def test_first_inventory(lab: Lab) -> None:
    switch = lab.switch
    names = {g.name for g in switch.portgroup if not g.config.uplink}
    assert names == {"management", "external", "trunk"}
    assert switch.config.uplinkPortgroup[0].config.uplink
    assert len(switch.config.host) == 3
    vlans = {g.name: g.config.defaultPortConfig.vlan for g in switch.portgroup}
    assert (vlans["management"].vlanId, vlans["external"].vlanId) == (0, 11)
    span = vlans["trunk"].vlanId[0]
    assert (span.start, span.end) == (0, 4094)
    for cluster in lab.datacenter.hostFolder.childEntity:
        assert lab.network("external") in cluster.network
    assert lab.content.dvSwitchManager.QueryDvsByUuid(switch.uuid) == switch


def test_created_group(lab: Lab, group: Any) -> None:
    assert group.config.distributedVirtualSwitch == lab.switch
    assert (group.key, group.config.key) == (group._moId, group._moId)
    assert group.config.defaultPortConfig.vlan.vlanId == 1000
    assert group.config.defaultPortConfig.securityPolicy.forgedTransmits.value is False
    assert group in lab.switch.portgroup
    assert group in lab.cluster().network
    assert group.host == list(lab.switch.summary.hostMember)
    assert len(group.portKeys) == group.config.numPorts == 8


@pytest.mark.parametrize("vlan", [-1, 4095, 5000])
def test_vlan_out_of_range(lab: Lab, vlan: int) -> None:
    with pytest.raises(Exception, match="VLAN"):
        lab.wait(lab.switch.CreateDVPortgroup_Task(group_spec("bad", vlan)))


def test_names_are_unique(lab: Lab, group: Any) -> None:
    with pytest.raises(vim.fault.DuplicateName) as caught:
        lab.wait(lab.switch.AddDVPortgroup_Task([group_spec("fresh"), group_spec("tenant")]))
    assert caught.value.object == group
    assert "fresh" not in {g.name for g in lab.switch.portgroup}


def test_ports_are_given_out_and_returned(lab: Lab, group: Any) -> None:
    machines = [lab.create(f"vm{i}", lab.adapter("tenant")) for i in range(2)]
    keys = [adapters(m)[0].backing.port.portKey for m in machines]
    assert len(set(keys)) == 2
    assert set(group.vm) == set(machines)
    connected = vim.dvs.PortCriteria(connected=True, portgroupKey=[group.key])
    ports = {port.key: port for port in lab.switch.FetchDVPorts(connected)}
    assert set(ports) == set(keys)
    assert ports[keys[0]].connectee.connectedEntity == machines[0]
    assert ports[keys[0]].connectee.nicKey == "4000"
    lab.wait(machines[0].Destroy_Task())
    assert [p.key for p in lab.switch.FetchDVPorts(connected)] == [keys[1]]


def test_more_machines_than_ports(lab: Lab, group: Any) -> None:
    machine = lab.create("vm", *[lab.adapter("tenant") for _ in range(9)])
    keys = {adapter.backing.port.portKey for adapter in adapters(machine)}
    assert len(keys) == 9
    assert keys <= set(group.portKeys)


def test_used_group_cannot_be_destroyed(lab: Lab, group: Any) -> None:
    lab.create("vm", lab.adapter("tenant"))
    with pytest.raises(vim.fault.ResourceInUse):
        lab.wait(group.Destroy_Task())


def test_reconfigure(lab: Lab, group: Any) -> None:
    spec = group_spec("renamed", 1001)
    spec.type = None
    with pytest.raises(Exception, match="configVersion"):
        lab.wait(group.ReconfigureDVPortgroup_Task(spec))
    spec.configVersion = group.config.configVersion
    lab.wait(group.ReconfigureDVPortgroup_Task(spec))
    assert (group.name, group.config.defaultPortConfig.vlan.vlanId) == ("renamed", 1001)
    with pytest.raises(vim.fault.ConcurrentAccess):
        lab.wait(group.ReconfigureDVPortgroup_Task(spec))


def test_adapter_moves_between_groups(lab: Lab, group: Any) -> None:
    machine = lab.create("vm", lab.adapter("management"))
    (nic,) = adapters(machine)
    mac = nic.macAddress
    nic.backing.port = vim.dvs.PortConnection(switchUuid=lab.switch.uuid, portgroupKey=group.key)
    lab.reconfigure(machine, Change(operation="edit", device=nic))
    (moved,) = adapters(machine)
    assert moved.macAddress == mac
    assert moved.backing.port.portKey in group.portKeys
    assert machine.network == [group]
    assert machine not in lab.network("management").vm


def test_unknown_group(lab: Lab) -> None:
    change = lab.adapter("management")
    change.device.backing.port.portgroupKey = "dvportgroup-4711"
    with pytest.raises(vim.fault.InvalidDeviceBacking):
        lab.create("vm", change)


@pytest.mark.parametrize("mac", ["01:00:5e:00:00:01", "nonsense"])
def test_bad_mac(lab: Lab, mac: str) -> None:
    change = lab.adapter("management")
    change.device.macAddress, change.device.addressType = mac, "manual"
    with pytest.raises(vim.fault.InvalidDeviceSpec):
        lab.create("vm", change)


def test_second_switch(lab: Lab) -> None:
    config = vim.DistributedVirtualSwitch.ConfigSpec(
        name="dvs2",
        host=[vim.dvs.HostMember.ConfigSpec(operation="add", host=lab.cluster().host[0])],
    )
    spec = vim.DistributedVirtualSwitch.CreateSpec(configSpec=config)
    switch = lab.wait(lab.datacenter.networkFolder.CreateDVS_Task(spec))
    made = lab.wait(switch.CreateDVPortgroup_Task(group_spec("second")))
    assert made.host == [lab.cluster().host[0]]
    lab.wait(switch.Destroy_Task())
    assert "second" not in {n.name for n in lab.datacenter.network}


def test_ports_of_machines_made_at_the_same_time(lab: Lab, group: Any) -> None:
    folder, pool = lab.datacenter.vmFolder, lab.cluster().resourcePool

    def spec(number: int) -> Any:
        return vim.vm.ConfigSpec(
            name=f"vm{number}",
            memoryMB=64,
            files=vim.vm.FileInfo(vmPathName="[compute-ds]"),
            deviceChange=[lab.adapter("tenant")],
        )

    tasks = [folder.CreateVM_Task(spec(number), pool) for number in range(6)]
    machines = [lab.wait(task) for task in tasks]
    assert len({adapters(machine)[0].backing.port.portKey for machine in machines}) == 6


def test_snapshot_whose_group_has_gone(lab: Lab) -> None:
    group = lab.wait(lab.switch.CreateDVPortgroup_Task(group_spec("passing", 7)))
    machine = lab.create("vm", lab.adapter("passing"))
    lab.wait(machine.CreateSnapshot_Task("s", "", False, False))
    (nic,) = adapters(machine)
    lab.reconfigure(machine, Change(operation="remove", device=nic))
    lab.wait(group.Destroy_Task())
    lab.wait(machine.RevertToCurrentSnapshot_Task())
    assert (len(adapters(machine)), list(machine.network)) == (1, [])
