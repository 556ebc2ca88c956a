"""Tenants' VMs as the verification looks at them: made here by hand as Nova and Cinder would."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from pyVim.task import WaitForTask
from pyVmomi import vim
from vcenter_site import Center

from viaduct.model.inventory import COMPUTE_EXTENSION, InstanceDisk, InstanceNic, ManagedVm
from viaduct.vsphere.client import VCenterClient

SERVER = str(uuid.UUID(int=0x5E4E4))
device = vim.vm.device


def _network(center: Center, name: str) -> Any:
    group = center.entity(vim.dvs.DistributedVirtualPortgroup, name)
    switch = group.config.distributedVirtualSwitch
    return device.VirtualEthernetCard.DistributedVirtualPortBackingInfo(
        port=vim.dvs.PortConnection(portgroupKey=group.key, switchUuid=switch.uuid)
    )


@pytest.fixture
def server(center: Center) -> Iterator[Any]:
    """A VM as Nova makes one: instance UUID, managedBy, a disk of 1 GiB, an adapter, an ISO."""
    disk = device.VirtualDisk(
        key=-2,
        controllerKey=-1,
        unitNumber=0,
        capacityInKB=1 << 20,
        backing=device.VirtualDisk.FlatVer2BackingInfo(
            fileName="[management-ds]", diskMode="persistent", thinProvisioned=True
        ),
    )
    card = device.VirtualVmxnet3(
        key=-3,
        backing=_network(center, "external"),
        addressType="manual",
        macAddress="FA:16:3E:00:00:09",
    )
    cdrom = device.VirtualCdrom(
        key=-4,
        controllerKey=200,
        unitNumber=0,
        backing=device.VirtualCdrom.IsoBackingInfo(fileName="[management-ds] iso/config.iso"),
        connectable=device.VirtualDevice.ConnectInfo(
            startConnected=True, connected=True, allowGuestControl=True
        ),
    )
    controller = device.ParaVirtualSCSIController(key=-1, busNumber=0, sharedBus="noSharing")
    add = [
        device.VirtualDeviceSpec(operation="add", device=controller),
        device.VirtualDeviceSpec(operation="add", device=disk, fileOperation="create"),
        device.VirtualDeviceSpec(operation="add", device=card),
        device.VirtualDeviceSpec(operation="add", device=cdrom),
    ]
    files = center.other.RetrieveContent().fileManager
    home = center.entity(vim.Datacenter, "Datacenter")
    files.MakeDirectory("[management-ds] iso", home, True)
    center.put("management-ds", "iso/config.iso", b"iso")
    machine = center.make_machine(
        SERVER,
        home.vmFolder,
        instanceUuid=SERVER,
        managedBy=vim.ext.ManagedByInfo(extensionKey=COMPUTE_EXTENSION, type="instance"),
        deviceChange=add,
    )
    yield machine
    if machine.runtime.powerState == "poweredOn":
        WaitForTask(machine.PowerOffVM_Task())
    WaitForTask(machine.Destroy_Task())
    WaitForTask(files.DeleteDatastoreFile_Task("[management-ds] iso", home))


def test_an_instance_is_found_by_its_uuid(client: VCenterClient, server: Any) -> None:
    vm = client.instance(SERVER)
    assert vm is not None
    assert (vm.instance_uuid, vm.name, vm.cluster) == (SERVER, SERVER, "management")
    assert vm.host == server.runtime.host.name
    assert (vm.power, vm.cpus, vm.memory_mb) == ("poweredOff", 1, 256)
    assert vm.disks == (InstanceDisk(f"[management-ds] {SERVER}/{SERVER}.vmdk", 1 << 30),)
    assert vm.nics == (InstanceNic("fa:16:3e:00:00:09", "external", 11),)
    assert vm.cdrom_iso == "[management-ds] iso/config.iso"


def test_it_is_seen_as_it_changes(client: VCenterClient, server: Any) -> None:
    WaitForTask(server.PowerOnVM_Task(None))
    vm = client.instance(SERVER)
    assert vm is not None
    assert vm.power == "poweredOn"


def test_an_unknown_uuid_is_nobody(client: VCenterClient) -> None:
    assert client.instance(str(uuid.uuid4())) is None


def test_vms_of_openstacks_services_are_listed(client: VCenterClient, server: Any) -> None:
    assert client.managed_vms() == (ManagedVm(SERVER, SERVER, COMPUTE_EXTENSION),)


def test_without_any_the_list_is_empty(client: VCenterClient) -> None:
    assert client.managed_vms() == ()


def test_port_groups_show_their_vlans(center: Center, client: VCenterClient) -> None:
    assert client.port_group_vlans(center.site) == {"management": 0, "external": 11, "trunk": None}


def test_files_are_listed_and_removed(center: Center, client: VCenterClient, server: Any) -> None:
    found = client.entries(center.site, "management-ds", "", (f"*{SERVER[-8:]}*", "iso"))
    assert sorted(found) == sorted((SERVER, "iso"))
    assert client.entries(center.site, "management-ds", "iso", ("*",)) == ("config.iso",)
    assert client.entries(center.site, "management-ds", "iso", ("nothing*",)) == ()
    assert client.entries(center.site, "management-ds", "no/such/directory", ("*",)) == ()


def test_a_directory_is_removed_with_all_below_it(center: Center, client: VCenterClient) -> None:
    home = center.entity(vim.Datacenter, "Datacenter")
    files = center.other.RetrieveContent().fileManager
    files.MakeDirectory("[shared-ds] cache_base/image", home, True)
    center.put("shared-ds", "cache_base/image/disk.vmdk", b"x")
    client.delete_directory(center.site, "[shared-ds] cache_base/image")
    client.delete_directory(center.site, "[shared-ds] cache_base/image")
    assert client.entries(center.site, "shared-ds", "cache_base", ("*",)) == ()
    client.delete_directory(center.site, "[shared-ds] cache_base")
