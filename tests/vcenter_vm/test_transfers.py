"""Files and disks over HTTP: every byte arrives."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from vcenter_vm.client import MIB, Lab, add_disk, disks, url_path, vim

SOME = os.urandom(300_000) + bytes(200_000) + os.urandom(100_000)


def test_upload_download_delete(lab: Lab) -> None:
    url = lab.folder_url("new folder/some.bin")
    assert lab.http("GET", url)[0] == 404
    assert lab.http("PUT", url, SOME)[0] == 201
    assert lab.http("PUT", url, SOME[::-1])[0] == 200
    assert lab.http("GET", url) == (200, SOME[::-1])
    assert lab.http("HEAD", url) == (200, b"")
    assert lab.http("GET", url, Range="bytes=10-19") == (206, SOME[::-1][10:20])
    status, page = lab.http("GET", lab.folder_url("new folder"))
    assert (status, b"some.bin" in page) == (200, True)
    assert lab.http("PUT", lab.folder_url("new folder"), b"x")[0] == 409
    assert lab.http("PUT", lab.folder_url("new folder/some.bin/below"), b"x")[0] == 409
    assert lab.http("DELETE", url)[0] == 204
    assert lab.http("DELETE", url)[0] == 404
    assert lab.http("DELETE", lab.folder_url("new folder"))[0] == 204


def test_chunked_upload_with_holes(lab: Lab) -> None:
    content = os.urandom(MIB) + bytes(9 * MIB) + os.urandom(7)

    def chunks() -> Iterator[bytes]:
        for start in range(0, len(content), 100_001):
            yield content[start : start + 100_001]

    url = lab.folder_url("big")
    assert lab.http("POST", url, chunks())[0] == 201
    local = lab.local("[compute-ds] big")
    assert local.read_bytes() == content
    assert local.stat().st_blocks * 512 < 2 * MIB
    assert lab.http("DELETE", url)[0] == 204


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/folder/x?dcPath=Datacenter&dsName=nowhere", 404),
        ("/folder/x?dcPath=Elsewhere&dsName=compute-ds", 404),
        ("/folder/x?dcPath=Datacenter", 400),
        ("/folder/a/%2e%2e/%2e%2e/up?dcPath=Datacenter&dsName=compute-ds", 400),
        ("/folder/?dcPath=Datacenter&dsName=compute-ds", 409),
    ],
)
def test_upload_refused(lab: Lab, path: str, status: int) -> None:
    assert lab.http("PUT", path, b"x")[0] == status


def test_without_session(lab: Lab) -> None:
    assert lab.http("GET", lab.folder_url("x"), Cookie="vmware_soap_session=stale")[0] == 401


def test_host_address_knows_its_datastores_only(lab: Lab) -> None:
    """Nova uploads to the host's own address with the name that ESXi gives its datacenter."""
    compute, management = lab.cluster().host[0].name, lab.cluster("management").host[0].name
    url = lab.folder_url("f", center="ha-datacenter")
    for host, status in ((compute, 201), (management, 404)):
        assert lab.http("PUT", url, b"x", host=host, Cookie=ticket(lab, host, url))[0] == status
    assert lab.http("DELETE", url)[0] == 204


def ticket(lab: Lab, host: str, url: str) -> str:
    spec = vim.SessionManager.HttpServiceRequestSpec(
        method="httpPut", url=f"https://{host}:{lab.server.port}{url}"
    )
    found = lab.content.sessionManager.AcquireGenericServiceTicket(spec)
    return f'vmware_cgi_ticket="{found.id}"'


def vmdk(folder: Path, content: bytes, subformat: str) -> bytes:
    raw, made = folder / "raw", folder / "made.vmdk"
    raw.write_bytes(content)
    options = ["-O", "vmdk", "-o", f"subformat={subformat}"]
    subprocess.run(["qemu-img", "convert", "-f", "raw", *options, raw, made], check=True)
    return made.read_bytes()


def import_spec(lab: Lab, name: str) -> Any:
    controller = vim.vm.device.VirtualLsiLogicController(key=-101, busNumber=0, sharedBus="noSharing")
    added = vim.vm.device.VirtualDeviceSpec(operation="add", device=controller)
    spec = vim.vm.ConfigSpec(
        name=name,
        numCPUs=1,
        memoryMB=128,
        guestId="otherGuest64",
        files=vim.vm.FileInfo(vmPathName="[compute-ds]"),
        deviceChange=[added, add_disk(MIB)],
    )
    return vim.vm.VmImportSpec(configSpec=spec)


@pytest.mark.parametrize("method", ["PUT", "POST"])
def test_import_and_export_round_trip(lab: Lab, tmp_path: Path, method: str) -> None:
    content = os.urandom(MIB) + bytes(2 * MIB) + os.urandom(MIB)
    stream = vmdk(tmp_path, content, "streamOptimized")
    pool, folder = lab.cluster().resourcePool, lab.datacenter.vmFolder
    lease = lab.lease_ready(pool.ImportVApp(import_spec(lab, "imported"), folder))
    assert lease.state == "ready", lease.error
    (upload,) = lease.info.deviceUrl
    assert upload.url.startswith("https://*/nfc/")
    assert upload.disk
    assert upload.sslThumbprint.count(":") == 19
    assert lab.http(method, url_path(upload.url), stream, Overwrite="t")[0] == 201
    lease.HttpNfcLeaseProgress(100)
    lease.HttpNfcLeaseComplete()
    assert lease.state == "done"
    machine = lease.info.entity
    (disk,) = disks(machine)
    assert disk.capacityInBytes == len(content)
    assert lab.flat(disk).read_bytes() == content

    lease = lab.lease_ready(machine.ExportVm())
    status, exported = lab.http("GET", url_path(lease.info.deviceUrl[0].url))
    assert (status, exported[:4]) == (200, b"KDMV")
    lease.HttpNfcLeaseComplete()
    (tmp_path / "out.vmdk").write_bytes(exported)
    back = ["qemu-img", "convert", "-f", "vmdk", "-O", "raw", tmp_path / "out.vmdk", tmp_path / "out"]
    subprocess.run(back, check=True)
    assert (tmp_path / "out").read_bytes() == content
    assert lab.http("GET", url_path(upload.url))[0] == 404


def test_abort_leaves_nothing(lab: Lab) -> None:
    pool, folder = lab.cluster().resourcePool, lab.datacenter.vmFolder
    lease = lab.lease_ready(pool.ImportVApp(import_spec(lab, "half"), folder))
    lease.HttpNfcLeaseAbort()
    assert lease.state == "error"
    assert lab.machines() == []


def test_import_that_fails_says_why(lab: Lab) -> None:
    spec = import_spec(lab, "bad")
    spec.configSpec.files.vmPathName = "[nowhere]"
    pool, folder = lab.cluster().resourcePool, lab.datacenter.vmFolder
    lease = lab.lease_ready(pool.ImportVApp(spec, folder))
    assert lease.state == "error"
    assert isinstance(lease.error, vim.fault.InvalidDatastore)


def test_upload_that_is_no_vmdk(lab: Lab) -> None:
    pool, folder = lab.cluster().resourcePool, lab.datacenter.vmFolder
    lease = lab.lease_ready(pool.ImportVApp(import_spec(lab, "junk"), folder))
    path = url_path(lease.info.deviceUrl[0].url)
    assert lab.http("PUT", path, b"this is not a disk")[0] == 400
    assert lease.state == "error"
    lab.clean()


@pytest.mark.parametrize("subformat", ["monolithicSparse", "streamOptimized"])
def test_uploaded_disk_is_copied_flat(lab: Lab, tmp_path: Path, subformat: str) -> None:
    """The way of an image: upload a sparse file, copy it to a disk, use that in a machine."""
    content = os.urandom(MIB) + bytes(MIB)
    url = lab.folder_url("up/image.vmdk")
    assert lab.http("PUT", url, vmdk(tmp_path, content, subformat))[0] == 201
    manager = lab.content.virtualDiskManager
    copied = manager.CopyVirtualDisk_Task(
        sourceName="[compute-ds] up/image.vmdk", sourceDatacenter=lab.datacenter,
        destName="[compute-ds] up/flat.vmdk",
    )  # fmt: skip
    lab.wait(copied)
    assert lab.local("[compute-ds] up/flat-flat.vmdk").read_bytes() == content
    lab.wait(lab.content.fileManager.DeleteDatastoreFile_Task("[compute-ds] up", lab.datacenter))


OVF = """<?xml version="1.0"?>
<Envelope xmlns="http://schemas.dmtf.org/ovf/envelope/1" xmlns:ovf="http://schemas.dmtf.org/ovf/envelope/1"
 xmlns:rasd="http://schemas.dmtf.org/wbem/wscim/1/cim-schema/2/CIM_ResourceAllocationSettingData"
 xmlns:vssd="http://schemas.dmtf.org/wbem/wscim/1/cim-schema/2/CIM_VirtualSystemSettingData"
 xmlns:vmw="http://www.vmware.com/schema/ovf">
 <References><File ovf:id="f1" ovf:href="disk1.vmdk" ovf:size="123"/></References>
 <DiskSection><Disk ovf:diskId="d1" ovf:fileRef="f1" ovf:capacity="1"
  ovf:capacityAllocationUnits="byte * 2^20"/><Disk ovf:diskId="d2" ovf:capacity="1048576"/></DiskSection>
 <NetworkSection><Network ovf:name="nat"/></NetworkSection>
 <VirtualSystem ovf:id="appliance"><Name>appliance</Name>
  <OperatingSystemSection ovf:id="96" vmw:osType="debian12_64Guest"/>
  <ProductSection ovf:class="net"><Product>Thing</Product><Version>2</Version>
   <Property ovf:key="ip" ovf:type="string" ovf:userConfigurable="true"/></ProductSection>
  <VirtualHardwareSection>
   <System><vssd:VirtualSystemType>vmx-19</vssd:VirtualSystemType></System>
   <Item><rasd:InstanceID>1</rasd:InstanceID><rasd:ResourceType>3</rasd:ResourceType>
    <rasd:VirtualQuantity>2</rasd:VirtualQuantity></Item>
   <Item><rasd:InstanceID>2</rasd:InstanceID><rasd:ResourceType>4</rasd:ResourceType>
    <rasd:AllocationUnits>byte * 2^30</rasd:AllocationUnits>
    <rasd:VirtualQuantity>1</rasd:VirtualQuantity></Item>
   <Item><rasd:InstanceID>3</rasd:InstanceID><rasd:ResourceType>6</rasd:ResourceType>
    <rasd:ResourceSubType>VirtualSCSI</rasd:ResourceSubType></Item>
   <Item><rasd:InstanceID>4</rasd:InstanceID><rasd:ResourceType>17</rasd:ResourceType>
    <rasd:Parent>3</rasd:Parent><rasd:AddressOnParent>0</rasd:AddressOnParent>
    <rasd:HostResource>ovf:/disk/d1</rasd:HostResource></Item>
   <Item><rasd:InstanceID>5</rasd:InstanceID><rasd:ResourceType>17</rasd:ResourceType>
    <rasd:Parent>3</rasd:Parent><rasd:AddressOnParent>1</rasd:AddressOnParent>
    <rasd:HostResource>ovf:/disk/d2</rasd:HostResource></Item>
   <Item><rasd:InstanceID>6</rasd:InstanceID><rasd:ResourceType>10</rasd:ResourceType>
    <rasd:ResourceSubType>VmxNet3</rasd:ResourceSubType><rasd:Connection>nat</rasd:Connection></Item>
   <vmw:Config vmw:key="firmware" vmw:value="efi"/>
  </VirtualHardwareSection>
 </VirtualSystem>
</Envelope>"""


def test_ovf_import(lab: Lab, tmp_path: Path) -> None:
    manager, pool = lab.content.ovfManager, lab.cluster().resourcePool
    offered = manager.ParseDescriptor(OVF, vim.OvfManager.ParseDescriptorParams())
    assert ([n.name for n in offered.network], offered.defaultEntityName) == (["nat"], "appliance")
    mapping = vim.OvfManager.NetworkMapping(name="nat", network=lab.network("external"))
    params = vim.OvfManager.CreateImportSpecParams(
        entityName="thing",
        diskProvisioning="thin",
        networkMapping=[mapping],
        propertyMapping=[vim.KeyValue(key="net.ip", value="10.0.0.9")],
    )
    result = manager.CreateImportSpec(OVF, pool, lab.datastore(), params)
    assert result.error == []
    (item,) = result.fileItem
    lease = lab.lease_ready(pool.ImportVApp(result.importSpec, lab.datacenter.vmFolder))
    assert lease.state == "ready", lease.error
    urls = {url.importKey: url.url for url in lease.info.deviceUrl}
    content = os.urandom(MIB)
    stream = vmdk(tmp_path, content, "streamOptimized")
    assert lab.http("POST", url_path(urls[item.deviceId]), stream)[0] == 201
    lease.HttpNfcLeaseComplete()
    machine = lease.info.entity
    config = machine.config
    assert (config.name, config.firmware, config.version) == ("thing", "efi", "vmx-19")
    assert (config.hardware.numCPU, config.hardware.memoryMB) == (2, 1024)
    assert [d.capacityInBytes for d in disks(machine)] == [MIB, MIB]
    assert lab.flat(disks(machine)[0]).read_bytes() == content
    assert machine.network == [lab.network("external")]
    assert config.vAppConfig.property[0].value == "10.0.0.9"


@pytest.mark.parametrize(
    ("text", "reason"),
    [("<", "well-formed"), ("<Envelope/>", "VirtualSystem"), ("<!DOCTYPE x><x/>", "entities")],
)
def test_bad_ovf(lab: Lab, text: str, reason: str) -> None:
    params = vim.OvfManager.CreateImportSpecParams(entityName="x")
    pool, store = lab.cluster().resourcePool, lab.datastore()
    result = lab.content.ovfManager.CreateImportSpec(text, pool, store, params)
    assert reason in result.error[0].msg
