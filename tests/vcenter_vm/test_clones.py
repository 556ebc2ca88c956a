"""Clones, templates, moves."""

from __future__ import annotations

import os
from typing import Any

import pytest

from vcenter_vm.client import MIB, Change, Lab, adapters, add_disk, device, disks, extra, vim

CONTENT = os.urandom(MIB)


def option(key: str, value: str) -> Any:
    return vim.option.OptionValue(key=key, value=value)


def source(lab: Lab, name: str = "source") -> Any:
    machine = lab.create(name, add_disk(MIB), lab.adapter("management"), extraConfig=[option("keep", "1")])
    lab.flat(disks(machine)[0]).write_bytes(CONTENT)
    return machine


def clone(lab: Lab, machine: Any, name: str, location: dict[str, Any], **fields: Any) -> Any:
    spec = vim.vm.CloneSpec(
        location=vim.vm.RelocateSpec(**location),
        **{"powerOn": False, "template": False, **fields},
    )
    return lab.wait(machine.CloneVM_Task(lab.datacenter.vmFolder, name, spec))


def test_full_clone_is_independent(lab: Lab) -> None:
    machine = source(lab)
    config = vim.vm.ConfigSpec(
        numCPUs=3, memoryMB=512, extraConfig=[option("keep", ""), option("guestinfo.x", "y")]
    )
    made = clone(lab, machine, "copy", {"pool": lab.cluster().resourcePool}, config=config)
    assert (made.config.hardware.numCPU, made.config.hardware.memoryMB) == (3, 512)
    assert extra(made) == {"guestinfo.x": "y"}
    assert made.config.instanceUuid != machine.config.instanceUuid
    assert adapters(made)[0].macAddress != adapters(machine)[0].macAddress
    ports = {adapters(m)[0].backing.port.portKey for m in (made, machine)}
    assert len(ports) == 2
    (mine,), (theirs,) = disks(made), disks(machine)
    assert mine.backing.fileName == "[compute-ds] copy/copy.vmdk"
    assert mine.backing.uuid != theirs.backing.uuid
    lab.flat(theirs).write_bytes(bytes(MIB))
    assert lab.flat(mine).read_bytes() == CONTENT


def test_template_to_running_machine(lab: Lab) -> None:
    machine = source(lab, "golden")
    machine.MarkAsTemplate()
    assert machine.summary.config.template
    assert machine.resourcePool is None
    with pytest.raises(Exception, match="template"):
        lab.wait(machine.PowerOn())
    with pytest.raises(Exception, match="pool"):
        clone(lab, machine, "node", {})
    grown = disks(machine)[0]
    grown.capacityInKB = 4096
    nic = adapters(machine)[0]
    nic.backing.port = vim.dvs.PortConnection(
        switchUuid=lab.switch.uuid, portgroupKey=lab.network("external").key
    )
    config = vim.vm.ConfigSpec(
        deviceChange=[
            Change(operation="edit", device=grown),
            Change(operation="edit", device=nic),
            lab.adapter("management"),
        ]
    )
    where = {"pool": lab.cluster().resourcePool, "datastore": lab.datastore("shared-ds")}
    made = clone(lab, machine, "node", where, config=config, powerOn=True)
    assert made.runtime.powerState == "poweredOn"
    assert [n.name for n in made.network] == ["external", "management"]
    (disk,) = disks(made)
    assert disk.backing.fileName == "[shared-ds] node/node.vmdk"
    assert lab.flat(disk).read_bytes() == CONTENT + bytes(3 * MIB)
    assert lab.flat(grown).stat().st_size == MIB
    assert adapters(made)[0].macAddress != nic.macAddress
    lab.wait(made.PowerOff())
    machine.MarkAsVirtualMachine(lab.cluster().resourcePool)
    assert machine.resourcePool == lab.cluster().resourcePool


def test_disk_that_is_not_wanted_is_not_copied(lab: Lab) -> None:
    """Cinder clones only some disks by removing the others in the clone's config."""
    machine = lab.create("two", add_disk(MIB), add_disk(MIB, unit=1))
    gone = Change(operation="remove", device=disks(machine)[0])
    config = vim.vm.ConfigSpec(deviceChange=[gone])
    made = clone(lab, machine, "one", {}, config=config)
    assert len(disks(made)) == 1
    assert len(list(lab.local("[compute-ds] one/x").parent.glob("*-flat.vmdk"))) == 1


def test_linked_clone_needs_a_snapshot(lab: Lab) -> None:
    machine = source(lab)
    with pytest.raises(Exception, match="snapshot"):
        clone(lab, machine, "linked", {"diskMoveType": "createNewChildDiskBacking"})
    lab.wait(machine.CreateSnapshot_Task("s", "", False, False))
    (disk,) = disks(machine)
    lab.flat(disk).write_bytes(bytes(MIB))
    made = clone(
        lab,
        machine,
        "linked",
        {"diskMoveType": "createNewChildDiskBacking"},
        snapshot=machine.snapshot.currentSnapshot,
    )
    (child,) = disks(made)
    assert child.backing.parent.fileName == "[compute-ds] source/source.vmdk"
    assert lab.flat(child).read_bytes() == CONTENT


def test_refusals_leave_nothing(lab: Lab) -> None:
    machine = source(lab)
    custom = vim.vm.customization.Specification(
        identity=vim.vm.customization.LinuxPrep(
            hostName=vim.vm.customization.FixedName(name="x"), domain="y"
        ),
        globalIPSettings=vim.vm.customization.GlobalIPSettings(),
    )
    pool = lab.cluster().resourcePool
    with pytest.raises(Exception, match="guestinfo"):
        clone(lab, machine, "a", {"pool": pool}, customization=custom)
    with pytest.raises(vim.fault.NoCompatibleHost):
        clone(lab, machine, "b", {"pool": lab.cluster("management").resourcePool})
    with pytest.raises(vim.fault.InvalidDeviceSpec):
        bad = Change(operation="remove", device=device.VirtualDisk(key=4711, capacityInKB=0))
        clone(lab, machine, "c", {"pool": pool}, config=vim.vm.ConfigSpec(deviceChange=[bad]))
    assert [m.name for m in lab.machines()] == ["source"]
    assert [p.name for p in lab.local("[compute-ds] x").parent.iterdir()] == ["source"]


def test_move_to_other_datastore_and_cluster(lab: Lab) -> None:
    machine = source(lab)
    lab.wait(machine.CreateSnapshot_Task("s", "", False, False))
    shared, other = lab.datastore("shared-ds"), lab.cluster("management")
    lab.wait(machine.RelocateVM_Task(vim.vm.RelocateSpec(datastore=shared)))
    assert machine.datastore == [shared]
    assert machine.config.files.vmPathName == "[shared-ds] source/source.vmx"
    (disk,) = disks(machine)
    assert disk.backing.fileName == "[shared-ds] source/source-000001.vmdk"
    assert disk.backing.parent.fileName == "[shared-ds] source/source.vmdk"
    assert disk.backing.datastore == shared
    assert lab.flat(disk).read_bytes() == CONTENT
    assert not lab.local("[compute-ds] source").exists()
    lab.wait(machine.PowerOn())
    target = other.host[1]
    lab.wait(machine.RelocateVM_Task(vim.vm.RelocateSpec(pool=other.resourcePool, host=target)))
    assert machine.runtime.host == target
    assert machine in target.vm
    assert machine not in lab.cluster().resourcePool.vm
    with pytest.raises(vim.fault.NoCompatibleHost):
        lab.wait(
            machine.RelocateVM_Task(vim.vm.RelocateSpec(pool=other.resourcePool, datastore=lab.datastore()))
        )


def test_thin_becomes_thick_on_the_way(lab: Lab) -> None:
    """Cinder's retype moves a volume and changes its provisioning."""
    machine = source(lab)
    (disk,) = disks(machine)
    backing = device.VirtualDisk.FlatVer2BackingInfo(
        fileName="", diskMode="persistent", thinProvisioned=False, eagerlyScrub=True
    )
    locator = vim.vm.RelocateSpec.DiskLocator(
        diskId=disk.key, datastore=lab.datastore("shared-ds"), diskBackingInfo=backing
    )
    shared = lab.datastore("shared-ds")
    lab.wait(machine.RelocateVM_Task(vim.vm.RelocateSpec(datastore=shared, disk=[locator])))
    (disk,) = disks(machine)
    assert (disk.backing.thinProvisioned, disk.backing.eagerlyScrub) == (False, True)


def test_moving_into_a_folder(lab: Lab) -> None:
    folder = lab.datacenter.vmFolder.CreateFolder("Volumes")
    machine = lab.create("vm")
    lab.wait(folder.MoveIntoFolder_Task([machine]))
    assert machine.parent == folder
    lab.wait(folder.Destroy_Task())
    assert lab.machines() == []


def test_maintenance_mode_moves_running_machines(lab: Lab) -> None:
    cluster = lab.cluster("management")
    files = vim.vm.FileInfo(vmPathName="[management-ds]")
    spec = vim.vm.ConfigSpec(name="vm", memoryMB=64, files=files)
    task = lab.datacenter.vmFolder.CreateVM_Task(spec, cluster.resourcePool, cluster.host[0])
    machine = lab.wait(task)
    lab.wait(machine.PowerOn())
    lab.wait(machine.RelocateVM_Task(vim.vm.RelocateSpec(host=cluster.host[0])))
    lab.wait(cluster.host[0].EnterMaintenanceMode_Task(5))
    assert machine.runtime.host == cluster.host[1]
    with pytest.raises(vim.fault.InvalidHostState):
        lab.wait(machine.RelocateVM_Task(vim.vm.RelocateSpec(host=cluster.host[0])))
    lab.wait(cluster.host[0].ExitMaintenanceMode_Task(5))


def test_anti_affinity(lab: Lab) -> None:
    cluster = lab.cluster("management")
    files = vim.vm.FileInfo(vmPathName="[management-ds]")

    def make(name: str) -> Any:
        spec = vim.vm.ConfigSpec(name=name, memoryMB=64, files=files)
        host = cluster.host[0]
        return lab.wait(lab.datacenter.vmFolder.CreateVM_Task(spec, cluster.resourcePool, host))

    pair = [make("a"), make("b")]
    rule = vim.cluster.AntiAffinityRuleSpec(name="apart", enabled=True, vm=pair)
    change = vim.cluster.RuleSpec(operation="add", info=rule)
    spec = vim.cluster.ConfigSpecEx(rulesSpec=[change])
    lab.wait(cluster.ReconfigureComputeResource_Task(spec, True))
    for machine in pair:
        lab.wait(machine.PowerOn())
    assert {m.runtime.host for m in pair} == set(cluster.host)
    third = make("c")
    rule = cluster.configurationEx.rule[0]
    rule.vm = [*pair, third]
    change = vim.cluster.RuleSpec(operation="edit", info=rule)
    spec = vim.cluster.ConfigSpecEx(rulesSpec=[change])
    lab.wait(cluster.ReconfigureComputeResource_Task(spec, True))
    with pytest.raises(vim.fault.NoCompatibleHost, match="rules"):
        lab.wait(third.PowerOn())
    change = vim.cluster.RuleSpec(operation="remove", removeKey=rule.key)
    spec = vim.cluster.ConfigSpecEx(rulesSpec=[change])
    lab.wait(cluster.ReconfigureComputeResource_Task(spec, True))
