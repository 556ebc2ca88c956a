"""Machines that really run: what vCenter asks of the guest runtime, and what it makes of its answers."""

from __future__ import annotations

import asyncio
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from vcenter_vm.guest_scenes import FakeRuntime, Play, Task, config, do, extra, node, play, template, until
from viaduct_lab.guests.runtime import GuestStatus
from viaduct_lab.vcenter.core.center import VCenter
from viaduct_lab.vcenter.core.types import vim
from viaduct_lab.vcenter.kinds.virtual_machine import VirtualMachine
from viaduct_lab.vcenter.vm import making

__all__ = ["config", "play"]


def test_template_of_the_image(play: Play) -> None:
    async def first(center: VCenter, runtime: FakeRuntime) -> None:
        golden = template(center)
        assert golden.name == "viaduct-appliance-one"
        assert [e.name for e in golden.ancestors()][:2] == ["Templates", "vm"]
        assert (golden.cpus, golden.memory_mb) == (2, 4096)
        assert golden.state.settings["annotation"] == "Viaduct appliance 0.1.0"
        networks = [center.registry.get(ref._moId) for ref in golden.prop_network()]
        assert [getattr(network, "name", None) for network in networks] == ["management"]
        (disk,) = [d for d in golden.state.devices if d.key == 2000]
        assert disk.capacityInBytes == 40 << 30

    async def again(center: VCenter, runtime: FakeRuntime) -> None:
        assert len(center.registry.of_kind(VirtualMachine)) == 1

    play(first)
    play(again)


def test_start_tells_the_runtime_everything(play: Play, tmp_path: Path) -> None:
    async def scenario(center: VCenter, runtime: FakeRuntime) -> None:
        port = vim.vm.device.VirtualSerialPort(
            key=-9,
            backing=vim.vm.device.VirtualSerialPort.FileBackingInfo(
                fileName="[management-ds] node-1/console.log"
            ),
        )
        change = vim.vm.device.VirtualDeviceSpec(operation="add", device=port)
        machine = await node(center, deviceChange=[change])
        await do(machine, "PowerOnVM_Task")
        spec = runtime.specs[machine.moid]
        stores = tmp_path / "datastores" / "management-ds"
        assert [layer.name for layer in spec.layers] == ["base", "openstack"]
        assert spec.upper == stores / "node-1" / "node-1-system" / "upper"
        assert spec.console == stores / "node-1" / "console.log"
        assert spec.guestinfo == {"hostname": "node-1"}
        (nic,) = spec.nics
        assert (nic.switch, nic.vlan, nic.trunk, nic.connected) == ("dvs", 0, False, True)
        assert machine.is_guest
        assert machine.prop_guest().toolsStatus == "toolsNotRunning"

    play(scenario)


def test_guest_news_become_properties(play: Play) -> None:
    async def scenario(center: VCenter, runtime: FakeRuntime) -> None:
        machine = await node(center)
        await do(machine, "PowerOnVM_Task")
        mac = runtime.specs[machine.moid].nics[0].mac
        runtime.states[machine.moid] = GuestStatus(
            "running",
            tools_running=True,
            hostname="node-1.lab",
            addresses={mac.upper(): ("fe80::1/64", "fd00::5/64", "10.0.0.5/24")},
            guestinfo={"viaduct.hostkey": "ssh-ed25519 AAAA"},
        )
        await asyncio.to_thread(runtime.changed, machine.moid)
        await until(lambda: machine.prop_guest().toolsStatus == "toolsOk")
        guest = machine.prop_guest()
        assert (guest.hostName, guest.ipAddress) == ("node-1.lab", "10.0.0.5")
        assert guest.net[0].network == "management"
        assert guest.net[0].ipConfig.ipAddress[2].prefixLength == 24
        assert extra(machine)["guestinfo.viaduct.hostkey"] == "ssh-ed25519 AAAA"

    play(scenario)


def test_guest_that_ends_powers_off(play: Play) -> None:
    async def scenario(center: VCenter, runtime: FakeRuntime) -> None:
        machine = await node(center)
        await do(machine, "PowerOnVM_Task")
        runtime.states[machine.moid] = GuestStatus("running", tools_running=True)
        await asyncio.to_thread(runtime.changed, machine.moid)
        await until(lambda: machine.state.guest.tools_running)
        await do(machine, "ShutdownGuest")
        await until(lambda: machine.power_state == "poweredOff")
        assert machine.prop_runtime().cleanPowerOff
        names = [type(event)._wsdlName for event in center.events]
        assert names[-1] == "VmPoweredOffEvent"

    play(scenario)


def test_power_operations(play: Play) -> None:
    async def scenario(center: VCenter, runtime: FakeRuntime) -> None:
        machine = await node(center)
        runtime.broken = "no overlay"
        with pytest.raises(vim.fault.GenericVmConfigFault) as caught:
            await do(machine, "PowerOnVM_Task")
        assert "no overlay" in caught.value.msg
        assert machine.power_state == "poweredOff"
        runtime.broken = ""
        await do(machine, "PowerOnVM_Task")
        await do(machine, "SuspendVM_Task")
        assert runtime.states[machine.moid].state == "suspended"
        await do(machine, "PowerOnVM_Task")
        assert runtime.states[machine.moid].state == "running"
        await do(machine, "ResetVM_Task")
        assert runtime.calls[-1] == ("reset", machine.moid)
        await do(machine, "PowerOffVM_Task")
        assert runtime.states == {}
        assert not machine.is_guest

    play(scenario)


def test_destroying_a_suspended_guest_ends_it(play: Play) -> None:
    async def scenario(center: VCenter, runtime: FakeRuntime) -> None:
        machine = await node(center)
        await do(machine, "PowerOnVM_Task")
        await do(machine, "SuspendVM_Task")
        await do(machine, "Destroy_Task")
        assert runtime.states == {}

    play(scenario)


@pytest.mark.parametrize("method", ["Destroy_Task", "UnregisterVM"])
def test_nothing_is_kept_of_a_machine_that_is_gone(play: Play, method: str) -> None:
    async def scenario(center: VCenter, runtime: FakeRuntime) -> None:
        machine = await node(center)
        await do(machine, "PowerOnVM_Task")
        await do(machine, "PowerOffVM_Task")
        assert runtime.folders == {machine.moid}
        await do(machine, method)
        assert runtime.folders == set()

    play(scenario)


def test_what_a_destroyed_machine_left_is_cleared_at_start(play: Play) -> None:
    """vCenter died between taking it out of the inventory and clearing its guest."""

    async def leaves(center: VCenter, runtime: FakeRuntime) -> None:
        machine = await node(center)
        await do(machine, "PowerOnVM_Task")
        await do(machine, "PowerOffVM_Task")
        runtime.folders.add("vm-9999")

    async def starts(center: VCenter, runtime: FakeRuntime) -> None:
        machine = next(m for m in center.registry.of_kind(VirtualMachine) if not m.is_template)
        assert runtime.folders == {machine.moid}

    play(leaves)
    play(starts)


def test_changes_reach_the_running_guest(play: Play) -> None:
    async def scenario(center: VCenter, runtime: FakeRuntime) -> None:
        machine = await node(center)
        await do(machine, "PowerOnVM_Task")
        option = vim.option.OptionValue(key="guestinfo.metadata", value="x")
        await do(machine, "ReconfigVM_Task", spec=vim.vm.ConfigSpec(extraConfig=[option]))
        news = {"hostname": "node-1", "metadata": "x"}
        assert runtime.calls[-1] == ("set_guestinfo", machine.moid, news, {"metadata"})
        nic = next(d for d in machine.state.devices if d.key == 4000)
        group = next(g for g in center.registry if getattr(g, "name", "") == "external")
        nic = vim.vm.device.VirtualVmxnet3(
            key=4000,
            connectable=nic.connectable,
            backing=vim.vm.device.VirtualEthernetCard.DistributedVirtualPortBackingInfo(
                port=vim.dvs.PortConnection(switchUuid=nic.backing.port.switchUuid, portgroupKey=group.moid)
            ),
        )
        change = vim.vm.device.VirtualDeviceSpec(operation="edit", device=nic)
        await do(machine, "ReconfigVM_Task", spec=vim.vm.ConfigSpec(deviceChange=[change]))
        name, _, nics = runtime.calls[-1]
        assert (name, nics[0].vlan, nics[0].connected) == ("connect", 11, True)

    play(scenario)


def test_restart_finds_running_and_dead_guests(play: Play) -> None:
    async def begin(center: VCenter, runtime: FakeRuntime) -> None:
        machine = await node(center)
        await do(machine, "PowerOnVM_Task")
        runtime.states[machine.moid] = GuestStatus("running", tools_running=True)

    async def alive(center: VCenter, runtime: FakeRuntime) -> None:
        machine = next(m for m in center.registry.of_kind(VirtualMachine) if not m.is_template)
        assert (machine.power_state, machine.state.guest.tools_running) == ("poweredOn", True)
        runtime.states["vm-9999"] = GuestStatus("running")
        runtime.states.pop(machine.moid)

    async def dead(center: VCenter, runtime: FakeRuntime) -> None:
        machine = next(m for m in center.registry.of_kind(VirtualMachine) if not m.is_template)
        assert machine.power_state == "poweredOff"
        assert runtime.states == {}, "a guest that nobody knows was left running"

    play(begin)
    play(alive)
    play(dead)


def test_snapshot_of_a_running_guest_leaves_its_disk_in_place(play: Play, tmp_path: Path) -> None:
    async def scenario(center: VCenter, runtime: FakeRuntime) -> None:
        machine = await node(center)
        await do(machine, "PowerOnVM_Task")
        upper = runtime.specs[machine.moid].upper
        (upper / "etc").mkdir()
        (upper / "etc" / "state").write_text("before")
        ref = await do(machine, "CreateSnapshot_Task", name="s", memory=False, quiesce=False)
        assert (upper / "etc" / "state").exists()
        (upper / "etc" / "state").write_text("after")
        snapshot: Any = center.registry.get(ref._moId)
        await snapshot.revert(None, SimpleNamespace(), Task())
        assert machine.power_state == "poweredOff"
        await do(machine, "PowerOnVM_Task")
        again = runtime.specs[machine.moid].upper
        assert (again / "etc" / "state").read_text() == "before"
        await do(machine, "PowerOffVM_Task")
        await do(machine, "Destroy_Task")
        folder = tmp_path / "datastores" / "management-ds"
        assert [p.name for p in folder.iterdir()] == ["viaduct-appliance-one"]

    play(scenario)


def test_half_made_machine_is_cleared_at_the_next_start(play: Play, tmp_path: Path) -> None:
    """A vCenter that dies in the middle of a clone leaves a folder that nobody owns."""
    folder = tmp_path / "datastores" / "management-ds" / "half"

    async def dies(center: VCenter, runtime: FakeRuntime) -> None:
        home = await making.make_home(center, "half", "[management-ds]")
        making.note_unfinished(center, home.folder, True)
        (folder / "half.vmdk").write_text("x")

    async def starts(center: VCenter, runtime: FakeRuntime) -> None:
        assert [p.name for p in folder.parent.iterdir()] == ["viaduct-appliance-one"]

    play(dies)
    assert folder.exists()
    play(starts)
