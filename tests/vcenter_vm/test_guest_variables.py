"""Variables that a guest sets itself (guestinfo): seen while it runs, forgotten with its power."""

from __future__ import annotations

from typing import Any

from vcenter_vm.guest_scenes import FakeRuntime, Play, config, do, extra, node, play
from viaduct_lab.guests.runtime import GuestStatus
from viaduct_lab.vcenter.core.center import VCenter
from viaduct_lab.vcenter.core.types import vim
from viaduct_lab.vcenter.kinds import vm_power
from viaduct_lab.vcenter.kinds.virtual_machine import VirtualMachine

__all__ = ["config", "play"]


async def says(center: VCenter, runtime: FakeRuntime, machine: VirtualMachine, **values: str) -> None:
    """The guest sets variables."""
    runtime.states[machine.moid] = GuestStatus("running", tools_running=True, guestinfo=values)
    await vm_power.follow(machine)


def test_what_a_guest_has_set_ends_with_its_power(play: Play) -> None:
    """As on ESXi: such variables live in the running machine, not in its configuration file."""

    async def scenario(center: VCenter, runtime: FakeRuntime) -> None:
        machine = await node(center)
        await do(machine, "PowerOnVM_Task")
        await says(center, runtime, machine, hostkey="one", hostname="mine")
        assert extra(machine)["guestinfo.hostname"] == "mine"
        await do(machine, "ResetVM_Task")
        assert extra(machine)["guestinfo.hostkey"] == "one", "a reset leaves the virtual hardware on"
        await do(machine, "SuspendVM_Task")
        await do(machine, "PowerOnVM_Task")
        assert extra(machine)["guestinfo.hostkey"] == "one"
        await do(machine, "PowerOffVM_Task")
        assert extra(machine) == {"guestinfo.hostname": "node-1"}
        await do(machine, "PowerOnVM_Task")
        assert runtime.specs[machine.moid].guestinfo == {"hostname": "node-1"}
        assert extra(machine) == {"guestinfo.hostname": "node-1"}

    play(scenario)


def test_the_last_word_on_a_variable_counts(play: Play) -> None:
    async def scenario(center: VCenter, runtime: FakeRuntime) -> None:
        machine = await node(center)
        await do(machine, "PowerOnVM_Task")
        await says(center, runtime, machine, hostname="mine", other="x")
        option = vim.option.OptionValue(key="guestinfo.hostname", value="node-1")
        await do(machine, "ReconfigVM_Task", spec=vim.vm.ConfigSpec(extraConfig=[option]))
        assert runtime.calls[-1] == ("set_guestinfo", machine.moid, {"hostname": "node-1"}, {"hostname"})
        assert extra(machine) == {"guestinfo.hostname": "node-1", "guestinfo.other": "x"}
        await says(center, runtime, machine, hostname="")
        assert extra(machine) == {}, "set to nothing is not set"

    play(scenario)


def test_a_clone_and_a_snapshot_have_nothing_of_what_the_guest_has_set(play: Play) -> None:
    async def scenario(center: VCenter, runtime: FakeRuntime) -> None:
        machine = await node(center)
        await do(machine, "PowerOnVM_Task")
        await says(center, runtime, machine, hostkey="one")
        pool = next(p for p in center.registry if p.type_name == "ResourcePool")
        spec = vim.vm.CloneSpec(location=vim.vm.RelocateSpec(pool=pool.ref), powerOn=False, template=False)
        assert machine.parent is not None
        ref = await do(machine, "CloneVM_Task", folder=machine.parent.ref, name="copy", spec=spec)
        assert extra(center.registry.find(ref, VirtualMachine)) == {"guestinfo.hostname": "node-1"}
        ref = await do(machine, "CreateSnapshot_Task", name="s", memory=False, quiesce=False)
        snapshot: Any = center.registry.get(ref._moId)
        assert [o.key for o in snapshot.prop_config().extraConfig] == ["guestinfo.hostname"]
        vmx = center.config.datastores_dir / "management-ds" / "node-1" / "node-1.vmx"
        assert "hostkey" not in vmx.read_text()

    play(scenario)


def test_a_restarted_vcenter_asks_the_guest_again(play: Play) -> None:
    async def begin(center: VCenter, runtime: FakeRuntime) -> None:
        machine = await node(center)
        await do(machine, "PowerOnVM_Task")
        await says(center, runtime, machine, hostkey="one")

    async def again(center: VCenter, runtime: FakeRuntime) -> None:
        machine = next(m for m in center.registry.of_kind(VirtualMachine) if not m.is_template)
        assert extra(machine)["guestinfo.hostkey"] == "one"
        assert "guestinfo.hostkey" not in machine.state.extra

    play(begin)
    play(again)
