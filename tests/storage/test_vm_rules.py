"""The pure rules of virtual machines: placement, snapshot disks, settings, the configuration file."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from viaduct_lab.storage.paths import DatastorePath
from viaduct_lab.vcenter.core.types import vim
from viaduct_lab.vcenter.vm import layout, settings, vmx
from viaduct_lab.vcenter.vm.merging import merge
from viaduct_lab.vcenter.vm.placement import Candidate, NoHost, Rules, choose
from viaduct_lab.vcenter.vm.snapshot_tree import Absorb, Drop, Node, Tree, released, rewritten
from viaduct_lab.vcenter.vm.state import Hardware, VmState

NOW = datetime(2026, 11, 20, tzinfo=UTC)
DS = frozenset({"ds"})


def host(name: str, load: int = 0, *vms: str, usable: bool = True, stores: Any = DS) -> Candidate:
    return Candidate(name, usable, frozenset(stores), load, frozenset(vms))


@pytest.mark.parametrize(
    ("hosts", "rules", "present", "expected"),
    [
        ([host("a", 5), host("b", 3)], Rules(), None, "b"),
        ([host("a", 5), host("b", 3)], Rules(), "a", "a"),
        ([host("a", 5), host("b", 3, usable=False)], Rules(), "b", "a"),
        ([host("a", 5), host("b", 3, stores=())], Rules(), None, "a"),
        ([host("a", 0, "x"), host("b", 9)], Rules(apart=frozenset("x")), "a", "b"),
        ([host("a", 9, "x"), host("b", 0)], Rules(together=frozenset("x")), "b", "a"),
        ([host("a", 0), host("b", 9)], Rules(only=frozenset("b")), "a", "b"),
        ([host("a", 0), host("b", 9)], Rules(never=frozenset("a")), "a", "b"),
        ([host("a", 0), host("b", 9)], Rules(preferred=frozenset("b")), "a", "b"),
        ([host("a", 0, usable=False), host("b", 9)], Rules(preferred=frozenset("a")), "a", "b"),
        ([host("a", 0), host("b", 9)], Rules(avoided=frozenset("a")), None, "b"),
    ],
)
def test_placement(hosts: list[Candidate], rules: Rules, present: str | None, expected: str) -> None:
    assert choose(hosts, DS, rules, present) == expected


@pytest.mark.parametrize(
    ("hosts", "rules", "reason"),
    [
        ([], Rules(), "connected"),
        ([host("a", usable=False)], Rules(), "connected"),
        ([host("a", stores=("other",))], Rules(), "datastores"),
        ([host("a", 0, "x")], Rules(apart=frozenset("x")), "rules"),
    ],
)
def test_no_place(hosts: list[Candidate], rules: Rules, reason: str) -> None:
    with pytest.raises(NoHost, match=reason):
        choose(hosts, DS, rules)


# -- snapshots ---------------------------------------------------------------------------------


def disk(file: str, *parents: str, key: int = 2000) -> Any:
    backing = None
    for name in (*reversed(parents), file):
        backing = vim.vm.device.VirtualDisk.FlatVer2BackingInfo(
            fileName=f"[ds] {name}", diskMode="persistent", parent=backing
        )
    return vim.vm.device.VirtualDisk(key=key, capacityInKB=1, backing=backing)


def state(*devices: Any) -> VmState:
    return VmState(Hardware(DatastorePath("ds", "vm"), "vm.vmx"), list(devices), NOW, NOW)


def node(name: str, parent: str | None, *devices: Any) -> Node:
    return Node(name, 1, name, "", NOW, False, parent, state(*devices), "vm")


def test_removing_a_snapshot_merges_its_only_child() -> None:
    gone, live = node("s1", None, disk("a")), disk("b", "a")
    work = released(gone, [], [live], frozenset())
    assert work == [Absorb("[ds] a", "[ds] b")]
    (after,) = rewritten([live], work)
    assert (after.backing.fileName, after.backing.parent) == ("[ds] a", None)


def test_removing_the_middle_of_a_chain() -> None:
    first, gone, live = node("s1", None, disk("a")), node("s2", "s1", disk("b", "a")), disk("c", "b", "a")
    work = released(gone, [first], [live], frozenset())
    assert work == [Absorb("[ds] b", "[ds] c")]
    (after,) = rewritten([live], work)
    assert (after.backing.fileName, after.backing.parent.fileName) == ("[ds] b", "[ds] a")


def test_removing_a_fork_or_a_leaf_drops() -> None:
    gone, other = node("s1", None, disk("a")), node("s2", "s1", disk("b", "a"))
    live = disk("c", "a")
    work = released(gone, [other], [live], frozenset())
    assert work == [Drop("[ds] a")]
    assert rewritten([live], work)[0].backing.parent is None
    assert released(node("s3", None, disk("x")), [], [live], frozenset()) == [Drop("[ds] x")]


def test_fixed_and_shared_disks_keep_their_files() -> None:
    gone, live = node("s1", None, disk("a")), disk("b", "a")
    assert released(gone, [], [live], frozenset({"[ds] b"})) == [Drop("[ds] a")]
    assert released(gone, [node("s2", None, disk("a"))], [live], frozenset()) == []


def test_tree() -> None:
    tree = Tree()
    for name, parent in (("s1", None), ("s2", "s1"), ("s3", "s1"), ("s4", "s3")):
        tree.add(node(name, parent))
    assert [n.moid for n in tree.subtree("s1")] == ["s2", "s4", "s3", "s1"]
    tree.current = "s3"
    tree.remove("s3")
    assert (tree.current, tree.nodes["s4"].parent) == ("s1", "s1")
    assert Tree.load(tree.save()) == tree


# -- settings ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("spec", "power", "fault"),
    [
        ({"numCPUs": 4}, "poweredOff", None),
        ({"numCPUs": 4}, "poweredOn", "InvalidPowerState"),
        ({"numCPUs": 1}, "poweredOn", None),
        ({"memoryMB": 64}, "suspended", "InvalidPowerState"),
        ({"memoryMB": 30}, "poweredOff", "InvalidArgument"),
        ({"numCPUs": 100_000}, "poweredOff", "InvalidArgument"),
        ({"firmware": "efi"}, "poweredOn", "InvalidPowerState"),
        ({"firmware": "bios"}, "poweredOn", None),
        ({"firmware": "coreboot"}, "poweredOff", "InvalidArgument"),
        ({"uuid": "nonsense"}, "poweredOff", "InvalidArgument"),
        ({"version": "9"}, "poweredOff", "InvalidArgument"),
        ({"annotation": "x"}, "poweredOn", None),
    ],
)
def test_settings_checks(spec: dict[str, Any], power: str, fault: str | None) -> None:
    known = state()
    known.power.state = power
    wanted = vim.vm.ConfigSpec(**spec)
    if fault is None:
        settings.check(known, wanted)
        return
    with pytest.raises(Exception) as caught:
        settings.check(known, wanted)
    assert type(caught.value).__name__.endswith(fault)


def test_settings_are_applied() -> None:
    known = state()
    owner = vim.ext.ManagedByInfo(extensionKey="k", type="t")
    allocation = vim.ResourceAllocationInfo(reservation=100)
    settings.apply(known, vim.vm.ConfigSpec(managedBy=owner, cpuAllocation=allocation, numCPUs=2))
    settings.apply(known, vim.vm.ConfigSpec(cpuAllocation=vim.ResourceAllocationInfo(limit=500)))
    assert known.settings["managedBy"].extensionKey == "k"
    kept = known.settings["cpuAllocation"]
    assert (kept.reservation, kept.limit, known.hardware.cpus) == (100, 500, 2)
    nobody = vim.ext.ManagedByInfo(extensionKey="", type="")
    settings.apply(known, vim.vm.ConfigSpec(managedBy=nobody))
    assert "managedBy" not in known.settings


def test_vapp_properties() -> None:
    known = state()

    def change(operation: str, **fields: Any) -> Any:
        info = vim.vApp.PropertyInfo(key=1, **fields)
        spec = vim.vApp.PropertySpec(operation=operation, info=info, removeKey=1)
        return vim.vm.ConfigSpec(vAppConfig=vim.vApp.VmConfigSpec(property=[spec]))

    settings.apply(known, change("add", id="user", value="a"))
    settings.apply(known, change("edit", value="b"))
    (prop,) = known.settings["vAppConfig"].property
    assert (prop.id, prop.value) == ("user", "b")
    settings.apply(known, change("remove"))
    assert known.settings["vAppConfig"].property == []
    settings.apply(known, vim.vm.ConfigSpec(vAppConfigRemoved=True))
    assert "vAppConfig" not in known.settings


# -- what is kept ------------------------------------------------------------------------------

Keys = st.text(st.characters(blacklist_categories=["Cs", "Cc"]), min_size=1, max_size=20)


@given(name=Keys, extra=st.dictionaries(Keys, Keys, max_size=3))
def test_configuration_file_round_trip(name: str, extra: dict[str, str]) -> None:
    known = VmState(Hardware(DatastorePath("ds", "vm"), "vm.vmx"), layout.default_devices(), NOW, NOW, extra)
    shown, saved = vmx.parse(vmx.render(name, known))
    assert saved is not None
    back = VmState.load(saved)
    assert (back.extra, back.hardware) == (extra, known.hardware)
    assert [x.key for x in back.devices] == [x.key for x in known.devices]
    assert shown == name or any(c in name for c in '"|')


def test_merge_keeps_what_is_not_sent() -> None:
    old = vim.vm.BootOptions(bootDelay=5, enterBIOSSetup=True)
    merged = merge(old, vim.vm.BootOptions(bootDelay=7))
    assert (merged.bootDelay, merged.enterBIOSSetup, old.bootDelay) == (7, True, 5)
