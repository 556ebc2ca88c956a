"""What a VM must look like in vCenter, as a table."""

from __future__ import annotations

from dataclasses import replace

import pytest

from viaduct.model.inventory import InstanceDisk, InstanceNic, InstanceVm
from viaduct.model.tenancy import FlavorSize
from viaduct.services.verify.expectations import GIB, ExpectedVm, describe, differences

MAC = "fa:16:3e:00:00:01"
VM = InstanceVm(
    instance_uuid="u",
    name="server",
    cluster="compute",
    host="10.0.0.4",
    power="poweredOn",
    cpus=1,
    memory_mb=128,
    disks=(InstanceDisk("[compute-ds] u/u.vmdk", GIB),),
    nics=(InstanceNic(MAC, "net", 1234),),
)
VOLUME = InstanceDisk("[compute-ds] volume-1/volume-1.vmdk", 2 * GIB)
EXPECTED = ExpectedVm(frozenset({"compute"}), frozenset({"compute-ds"}), FlavorSize(1, 128, 1), MAC, 1234)


@pytest.mark.parametrize(
    ("vm", "expected", "said"),
    [
        (VM, EXPECTED, ()),
        (replace(VM, power="poweredOff"), replace(EXPECTED, on=False), ()),
        (replace(VM, disks=(VOLUME, *VM.disks)), replace(EXPECTED, volumes=(2,)), ()),
        (None, EXPECTED, ("no VM with the server's UUID",)),
        (replace(VM, cluster="management"), EXPECTED, ("cluster 'management' instead of compute",)),
        (replace(VM, power="suspended"), EXPECTED, ("the VM is suspended",)),
        (VM, replace(EXPECTED, on=False), ("the VM is poweredOn",)),
        (replace(VM, cpus=2, memory_mb=256), EXPECTED, ("2 CPUs instead of 1", "256 MiB")),
        (replace(VM, disks=()), EXPECTED, ("disks have none GiB instead of 1",)),
        (VM, replace(EXPECTED, volumes=(2,)), ("disks have 1 GiB instead of 1, 2",)),
        (replace(VM, disks=(*VM.disks, VOLUME)), EXPECTED, ("disks have 1, 2 GiB instead of 1",)),
        (replace(VM, disks=(InstanceDisk("[other] u/u.vmdk", GIB),)), EXPECTED, ("not on compute-ds",)),
        (replace(VM, nics=()), EXPECTED, ("0 network adapters",)),
        (replace(VM, nics=(InstanceNic("x", "net", 1234),)), EXPECTED, (f"instead of the port's {MAC}",)),
        (replace(VM, nics=(InstanceNic(MAC, "net", 7),)), EXPECTED, ("net with VLAN 7 instead of",)),
        (replace(VM, nics=(InstanceNic(MAC, "", None),)), EXPECTED, ("no port group with VLAN None",)),
    ],
)
def test_differences(vm: InstanceVm | None, expected: ExpectedVm, said: tuple[str, ...]) -> None:
    found = differences(vm, expected)
    assert len(found) == len(said)
    for sentence, part in zip(found, said, strict=True):
        assert part in sentence


def test_a_vm_is_described_in_one_line() -> None:
    line = describe(VM)
    assert "\n" not in line
    for part in ("'server'", "compute", "10.0.0.4", "poweredOn", "128 MiB", "[compute-ds] u/u.vmdk", "1234"):
        assert part in line
