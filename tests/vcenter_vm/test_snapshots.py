"""Snapshots: the right bytes at every turn."""

from __future__ import annotations

import os
from typing import Any

import pytest

from vcenter_vm.client import MIB, Change, Lab, add_disk, disks, vim

A, B, C = (os.urandom(MIB) for _ in range(3))


def write(lab: Lab, machine: Any, content: bytes) -> None:
    lab.flat(disks(machine)[0]).write_bytes(content)


def content(lab: Lab, machine: Any) -> bytes:
    return lab.flat(disks(machine)[0]).read_bytes()


def take(lab: Lab, machine: Any, name: str) -> Any:
    return lab.wait(machine.CreateSnapshot_Task(name, f"{name}'s", False, False))


def files(lab: Lab) -> list[str]:
    return sorted(p.name for p in lab.local("[compute-ds] vm/x").parent.glob("*.vmdk"))


@pytest.fixture
def machine(lab: Lab) -> Any:
    made = lab.create("vm", add_disk(MIB))
    write(lab, made, A)
    return made


def test_tree(lab: Lab, machine: Any) -> None:
    first = take(lab, machine, "first")
    second = take(lab, machine, "second")
    lab.wait(first.RevertToSnapshot_Task())
    take(lab, machine, "other")
    (root,) = machine.snapshot.rootSnapshotList
    assert (root.name, root.description, root.id, root.state) == (
        "first", "first's", 1, "poweredOff",
    )  # fmt: skip
    assert [child.name for child in root.childSnapshotList] == ["second", "other"]
    assert machine.snapshot.currentSnapshot == root.childSnapshotList[1].snapshot
    assert first.childSnapshot == [child.snapshot for child in root.childSnapshotList]
    assert machine.rootSnapshot == [first]
    assert first.config.hardware.numCPU == 1
    second.RenameSnapshot("renamed", None)
    assert machine.snapshot.rootSnapshotList[0].childSnapshotList[0].name == "renamed"


def test_revert_brings_bytes_and_configuration_back(lab: Lab, machine: Any) -> None:
    snapshot = take(lab, machine, "s")
    uuid = disks(machine)[0].backing.uuid
    assert disks(machine)[0].backing.fileName == "[compute-ds] vm/vm-000001.vmdk"
    write(lab, machine, B)
    extra_disk = add_disk(MIB, unit=1)
    extra_disk.device.controllerKey = 1000
    lab.reconfigure(machine, extra_disk, numCPUs=4)
    lab.wait(machine.PowerOn())
    lab.wait(snapshot.RevertToSnapshot_Task())
    assert machine.runtime.powerState == "poweredOff"
    assert machine.config.hardware.numCPU == 1
    assert (len(disks(machine)), disks(machine)[0].backing.uuid) == (1, uuid)
    assert content(lab, machine) == A
    write(lab, machine, C)
    lab.wait(machine.RevertToCurrentSnapshot_Task())
    assert content(lab, machine) == A


def test_removing_keeps_the_present(lab: Lab, machine: Any) -> None:
    first = take(lab, machine, "first")
    write(lab, machine, B)
    second = take(lab, machine, "second")
    write(lab, machine, C)
    lab.wait(first.RemoveSnapshot_Task(False))
    assert content(lab, machine) == C
    lab.wait(second.RevertToSnapshot_Task())
    assert content(lab, machine) == B
    lab.wait(machine.RemoveAllSnapshots_Task())
    assert content(lab, machine) == B
    assert machine.snapshot is None
    assert disks(machine)[0].backing.fileName == "[compute-ds] vm/vm.vmdk"
    assert disks(machine)[0].backing.parent is None
    assert files(lab) == ["vm-flat.vmdk", "vm.vmdk"]


def test_removing_a_subtree(lab: Lab, machine: Any) -> None:
    first = take(lab, machine, "first")
    take(lab, machine, "second")
    write(lab, machine, C)
    lab.wait(first.RemoveSnapshot_Task(True))
    assert (machine.snapshot, content(lab, machine)) == (None, C)
    assert files(lab) == ["vm-flat.vmdk", "vm.vmdk"]
    with pytest.raises(Exception, match="deleted"):
        first.RemoveSnapshot_Task(True)


def test_branches(lab: Lab, machine: Any) -> None:
    first = take(lab, machine, "first")
    write(lab, machine, B)
    branch = take(lab, machine, "branch")
    lab.wait(first.RevertToSnapshot_Task())
    write(lab, machine, C)
    lab.wait(first.RemoveSnapshot_Task(False))
    assert content(lab, machine) == C
    lab.wait(branch.RevertToSnapshot_Task())
    assert content(lab, machine) == B


def test_disk_cannot_grow_below_a_snapshot(lab: Lab, machine: Any) -> None:
    take(lab, machine, "s")
    (disk,) = disks(machine)
    disk.capacityInKB = 4096
    with pytest.raises(vim.fault.InvalidDeviceOperation):
        lab.reconfigure(machine, Change(operation="edit", device=disk))


def test_destroy_takes_snapshots_along(lab: Lab, machine: Any) -> None:
    take(lab, machine, "s")
    take(lab, machine, "t")
    lab.wait(machine.Destroy_Task())
    assert not lab.local("[compute-ds] vm").exists()
