"""What was acknowledged is there after kill -9."""

from __future__ import annotations

import os
from typing import Any

from vcenter_server import VCenterProcess
from vcenter_vm.client import MIB, Lab, adapters, add_disk, disks, extra, vim


def outline(lab: Lab, name: str) -> dict[str, Any]:
    """Everything about a machine that must survive."""
    machine = next(m for m in lab.machines() if m.name == name)
    (disk,), (nic,) = disks(machine), adapters(machine)
    return {
        "moid": machine._moId,
        "uuid": machine.config.uuid,
        "cpus": machine.config.hardware.numCPU,
        "extra": extra(machine),
        "managed": machine.config.managedBy.extensionKey,
        "disk": (disk.backing.fileName, disk.backing.parent.fileName, disk.backing.uuid),
        "nic": (nic.macAddress, nic.backing.port.portKey),
        "snapshots": [t.name for t in machine.snapshot.rootSnapshotList],
        "power": machine.runtime.powerState,
        "place": (machine.runtime.host.name, machine.resourcePool._moId, machine.parent._moId),
        "stores": [d.name for d in machine.datastore],
        "nets": [n.name for n in machine.network],
        "bytes": lab.flat(disk).read_bytes(),
    }


def test_kill_and_start(fresh_vcenter: VCenterProcess) -> None:
    lab = Lab(fresh_vcenter)
    folder = lab.datacenter.vmFolder.CreateFolder("f")
    tag = vim.dvs.VmwareDistributedVirtualSwitch.VlanIdSpec(inherited=False, vlanId=77)
    setting = vim.dvs.VmwareDistributedVirtualSwitch.VmwarePortConfigPolicy(vlan=tag)
    group = vim.dvs.DistributedVirtualPortgroup.ConfigSpec(
        name="kept", type="earlyBinding", defaultPortConfig=setting
    )
    lab.wait(lab.switch.CreateDVPortgroup_Task(group))
    machine = lab.create(
        "vm",
        add_disk(MIB),
        lab.adapter("kept"),
        extraConfig=[vim.option.OptionValue(key="a", value="<&>\"'")],
        managedBy=vim.ext.ManagedByInfo(extensionKey="viaduct", type="node"),
    )
    lab.flat(disks(machine)[0]).write_bytes(os.urandom(MIB))
    lab.wait(machine.CreateSnapshot_Task("s", "", False, False))
    lab.wait(folder.MoveIntoFolder_Task([machine]))
    lab.wait(machine.PowerOn())
    before = outline(lab, "vm")
    fresh_vcenter.kill()
    fresh_vcenter.start()

    lab = Lab(fresh_vcenter)
    assert outline(lab, "vm") == before
    assert lab.network("kept").config.defaultPortConfig.vlan.vlanId == 77
    assert lab.network("kept").vm[0]._moId == before["moid"]
    (machine,) = lab.machines()
    lab.wait(machine.RemoveAllSnapshots_Task())
    lab.wait(machine.PowerOff())
    lab.wait(machine.Destroy_Task())
    lab.wait(lab.network("kept").Destroy_Task())
    assert [p for p in fresh_vcenter.config.datastores_dir.rglob("*") if p.is_file()] == []
    lab.close()
