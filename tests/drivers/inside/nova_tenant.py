"""What a tenant does, with our Nova and Neutron drivers against the lab's vCenter, step by step.

Stands on the helpers of the upstream oracle (tests/oracles/inside/nova_driver.py) and runs where that runs.
"""

from __future__ import annotations

import io
import os
import shutil
import sys
import tarfile
import uuid
from pathlib import Path
from typing import Any

# In the appliance the helpers lie there (oracles.appliance.run_inside); elsewhere they are on the path.
sys.path.append("/mnt")

import nova_driver as oracle
from nova import objects
from nova.compute import power_state
from nova.network import model as network_model
from nova.virt import driver as virt_driver
from nova.virt.vmwareapi import vm_util, vmops
from oslo_vmware import vim_util
from steps import Steps, expect

from viaduct_drivers.neutron.config import DvsOptions
from viaduct_drivers.neutron.portgroup import wanted_port_group
from viaduct_drivers.neutron.switch import DistributedSwitch
from viaduct_drivers.nova import config as our_config
from viaduct_drivers.nova.ownership import CLOUD_KEY

WANTED = oracle.WANTED
CLOUD = "tenant"
GIB = 1 << 30
FILES = {"openstack/latest/meta_data.json": b'{"uuid": "u"}', "openstack/latest/user_data": bytes(range(256))}


def switch() -> DistributedSwitch:
    """Our Neutron driver's client."""
    return DistributedSwitch(
        DvsOptions(
            host_ip=WANTED["host"],
            host_port=WANTED["port"],
            host_username=WANTED["username"],
            host_password=WANTED["password"],
            ca_file=WANTED["ca_file"],
            insecure=False,
            datacenter=WANTED["datacenter"],
            switch="dvs",
            physical_network="dvs",
            cloud=CLOUD,
            name_prefix=CLOUD,
            num_ports=8,
            connection_timeout=30,
            task_timeout=30,
            task_poll_interval=0.05,
            repair_on_start=False,
            repair_interval=0,
        )
    )


class Metadata:
    """Stands where Nova would collect a server's metadata from its database and from Neutron."""

    def __init__(self, *_: Any, **__: Any) -> None: ...

    def metadata_for_config_drive(self) -> Any:
        yield from FILES.items()


class Tenant:
    """One server after the other, and what vCenter shows of it."""

    def __init__(self, nova: Any, group: Any, switch_uuid: str) -> None:
        self.nova = nova
        self.session = nova._session
        self.node = nova.get_available_nodes()[0]
        self.details = {"dvs_id": switch_uuid, "pg_id": group.key, "dvs_port_group_name": group.name}
        self.group = group
        self.servers: list[Any] = []

    def boot(self, image: str, properties: dict[str, str], *, config_drive: str = "", **changes: Any) -> Any:
        """A running server from an image, with one NIC on our port group."""
        image_id = oracle.IMAGES.add(Path(image).name, image, **properties)
        return self.boot_image(image_id, config_drive=config_drive, **changes)

    def boot_image(self, image_id: str, *, config_drive: str = "", bdi: Any = None, **changes: Any) -> Any:
        made = oracle.instance(f"tenant-{len(self.servers)}", image_id, self.node, oracle.flavor(**changes))
        made.config_drive = config_drive
        made.migration_context = None
        nic = oracle.vif(self.group.name)
        nic["details"] = self.details
        network = network_model.NetworkInfo([nic])
        self.servers.append((made, network))
        meta = oracle.image_meta(image_id)
        self.nova.spawn(oracle.CONTEXT, made, meta, [], None, {}, network_info=network, block_device_info=bdi)
        expect(self.state(made) == power_state.RUNNING, "the server does not run")
        return made

    def state(self, server: Any) -> int:
        return int(self.nova.get_info(server).state)

    def vm(self, server: Any) -> Any:
        return vm_util.get_vm_ref(self.session, server)

    def read(self, vm: Any, path: str) -> Any:
        return self.session._call_method(vim_util, "get_object_property", vm, path)

    def devices(self, server: Any, kind: str) -> list[Any]:
        devices = self.read(self.vm(server), "config.hardware.device").VirtualDevice
        return [device for device in devices if type(device).__name__ == kind]

    def extra_config(self, vm: Any) -> dict[str, Any]:
        return {option.key: option.value for option in self.read(vm, "config.extraConfig").OptionValue}

    def volume(self, name: str, size_gb: int = 1) -> dict[str, Any]:
        """A shadow VM as Cinder makes it, and the connection information that it gives Nova."""
        factory = self.session.vim.client.factory
        disk = factory.create("ns0:VirtualDisk")
        disk.key, disk.controllerKey, disk.unitNumber, disk.capacityInKB = -2, -1, 0, size_gb << 20
        disk.backing = factory.create("ns0:VirtualDiskFlatVer2BackingInfo")
        disk.backing.diskMode, disk.backing.thinProvisioned, disk.backing.fileName = "persistent", True, ""
        controller = factory.create("ns0:VirtualLsiLogicController")
        controller.key, controller.busNumber, controller.sharedBus = -1, 0, "noSharing"
        spec = factory.create("ns0:VirtualMachineConfigSpec")
        spec.name, spec.guestId, spec.numCPUs, spec.memoryMB = name, "otherGuest", 1, 128
        spec.files = factory.create("ns0:VirtualMachineFileInfo")
        spec.files.vmPathName = f"[{WANTED['datastore']}]"
        spec.deviceChange = []
        for device in (controller, disk):
            change = factory.create("ns0:VirtualDeviceConfigSpec")
            change.operation, change.device = "add", device
            if device is disk:
                change.fileOperation = "create"
            spec.deviceChange.append(change)
        folder = vmops.ds_util.get_dc_info(self.session, self._datastore()).vmFolder
        pool = vm_util.get_res_pool_ref(self.session, self.nova._cluster_ref)
        task = self.session._call_method(self.session.vim, "CreateVM_Task", folder, config=spec, pool=pool)
        reference = self.session._wait_for_task(task).result
        data = {"volume": vim_util.get_moref_value(reference), "volume_id": str(uuid.uuid4()), "name": name}
        return {"ref": reference, "driver_volume_type": "vmdk", "data": data}

    def delete_volume(self, volume: dict[str, Any]) -> None:
        task = self.session._call_method(self.session.vim, "Destroy_Task", volume["ref"])
        self.session._wait_for_task(task)

    def _datastore(self) -> Any:
        found = vmops.ds_util.get_available_datastores(self.session, self.nova._cluster_ref)
        return next(datastore.ref for datastore in found if datastore.name == WANTED["datastore"])


STREAM = {"vmware_disktype": "streamOptimized", "vmware_adaptertype": "lsiLogic"}
SPARSE = {"vmware_disktype": "sparse", "vmware_adaptertype": "lsiLogic"}


def start() -> Any:
    our_config.register(oracle.driver.CONF)
    oracle.driver.CONF.set_override("cloud", CLOUD, group="viaduct_vsphere")
    oracle.driver.CONF.set_override("datastore_regex", f"^{WANTED['datastore']}$", group="vmware")
    nova = virt_driver.load_compute_driver(None, "viaduct_vsphere.ViaductVCDriver")
    nova._vmops._network_api = oracle.NetworkApi()
    vmops.instance_metadata.InstanceMetadata = Metadata
    return nova


def boot_steps(run: Any, tenant: Tenant) -> Any:
    def with_config_drive() -> Any:
        server = tenant.boot(WANTED["images"]["stream"], STREAM, config_drive="True")
        (cdrom,) = tenant.devices(server, "VirtualCdrom")
        expect(cdrom.backing.fileName.endswith("/configdrive.iso"), cdrom.backing.fileName)
        if "datastores" in WANTED:
            (iso,) = Path(WANTED["datastores"]).glob(f"*/{server.uuid}/configdrive.iso")
            content = iso.read_bytes()
            expect(content[32769:32774] == b"CD001", "no ISO 9660 image arrived")
            expect(bytes(range(256)) in content, "the user data is not on the config drive")
        return server

    def marked(server: Any) -> None:
        expect(tenant.extra_config(tenant.vm(server))[CLOUD_KEY] == CLOUD, "no mark")
        expect(server.uuid in tenant.nova.list_instance_uuids(), "not listed")
        (nic,) = tenant.devices(server, "VirtualE1000") or tenant.devices(server, "VirtualVmxnet3")
        expect(nic.backing.port.portgroupKey == tenant.details["pg_id"], "on another port group")
        expect(nic.backing.port.switchUuid == tenant.details["dvs_id"], "on another switch")

    def ova() -> None:
        descriptor = (
            b'<Envelope xmlns="http://schemas.dmtf.org/ovf/envelope/1" '
            b'xmlns:ovf="http://schemas.dmtf.org/ovf/envelope/1">'
            b'<References><File ovf:id="f" ovf:href="d.vmdk"/></References>'
            b'<DiskSection><Disk ovf:diskId="d" ovf:fileRef="f"/></DiskSection></Envelope>'
        )
        target = Path(WANTED["exchange"]) / "image.ova"
        with tarfile.open(target, "w") as archive:
            info = tarfile.TarInfo("vm.ovf")
            info.size = len(descriptor)
            archive.addfile(info, io.BytesIO(descriptor))
            archive.add(WANTED["images"]["stream"], "d.vmdk")
        image_id = oracle.IMAGES.add("ova", str(target), **STREAM)
        oracle.IMAGES.meta[image_id]["container_format"] = "ova"
        tenant.boot_image(image_id)

    if shutil.which(str(oracle.driver.CONF.mkisofs_cmd)):
        server = run("boot with config drive", with_config_drive)
    else:
        server = run("boot", lambda: tenant.boot(WANTED["images"]["stream"], STREAM))
    if server is None:
        return None
    run("mark and port group", lambda: marked(server))
    run("boot sparse", lambda: tenant.boot(WANTED["images"]["sparse"], SPARSE))
    run("boot from OVA", ova)
    return server


def power_steps(run: Any, tenant: Tenant, server: Any) -> None:
    nova, nics = tenant.nova, tenant.servers[0][1]

    def soft_stop() -> None:
        nova.power_off(server, timeout=10, retry_interval=10)
        expect(tenant.state(server) == power_state.SHUTDOWN, "still on")
        nova.power_on(oracle.CONTEXT, server, nics)
        expect(tenant.state(server) == power_state.RUNNING, "not on")

    run("stop and start", soft_stop)
    run("reboot", lambda: nova.reboot(oracle.CONTEXT, server, nics, "SOFT"))


def volume_steps(run: Any, tenant: Tenant, server: Any) -> None:
    nova = tenant.nova
    volume = tenant.volume("volume-tenant")

    def disk() -> Any:
        path = vm_util.get_vmdk_info(tenant.session, volume["ref"]).path
        found = [d for d in tenant.devices(server, "VirtualDisk") if d.backing.fileName == path]
        return found[0] if found else None

    def attach() -> None:
        nova.attach_volume(oracle.CONTEXT, volume, server, "/dev/sdb")
        expect(disk() is not None, "no disk")
        expect(f"volume-{volume['data']['volume_id']}" in tenant.extra_config(tenant.vm(server)), "not noted")

    def extend() -> None:
        nova.extend_volume(oracle.CONTEXT, volume, server, 2 * GIB)
        expect(disk().capacityInKB == 2 << 20, f"{disk().capacityInKB} KB")
        nova.extend_volume(oracle.CONTEXT, volume, server, 2 * GIB)

    def detach() -> None:
        nova.detach_volume(oracle.CONTEXT, volume, server, "/dev/sdb")
        expect(disk() is None, "still there")
        expect(bool(vm_util.get_vmdk_info(tenant.session, volume["ref"]).path), "the volume lost its disk")

    run("attach volume", attach)
    run("extend attached volume", extend)
    run("detach volume", detach)
    run("delete volume", lambda: tenant.delete_volume(volume))


def image_steps(run: Any, tenant: Tenant, server: Any) -> None:
    nova = tenant.nova

    def snapshot() -> None:
        seen: list[int] = []
        upload = oracle.IMAGES.update

        def during(*args: Any, **kwargs: Any) -> None:
            seen.append(nova.list_instance_uuids().count(server.uuid))
            seen.append(sum(1 for _ in _vms_with(tenant, server.uuid)))
            upload(*args, **kwargs)

        oracle.IMAGES.update = during  # type: ignore[method-assign]
        image_id = str(uuid.uuid4())
        oracle.IMAGES.meta[image_id] = {"id": image_id, "name": "snapshot"}
        try:
            nova.snapshot(oracle.CONTEXT, server, image_id, lambda **_: None)
        finally:
            oracle.IMAGES.update = upload  # type: ignore[method-assign]
        expect(seen == [1, 1], f"during the export {seen} virtual machines were the server")
        expect(tenant.read(tenant.vm(server), "snapshot") is None, "the snapshot was left behind")
        booted = oracle.IMAGES.add("from snapshot", str(oracle.IMAGES.uploads[image_id]), **STREAM)
        tenant.boot_image(booted)

    run("snapshot to image, and boot from it", snapshot)


def _vms_with(tenant: Tenant, server_uuid: str) -> Any:
    """Virtual machines of the whole vCenter that carry the server's UUID."""
    path = 'config.extraConfig["nvp.vm-uuid"]'
    found = tenant.session._call_method(vmops.vim_util, "get_objects", "VirtualMachine", [path])
    with vim_util.WithRetrieval(tenant.session.vim, found) as machines:
        for machine in machines:
            for prop in getattr(machine, "propSet", None) or []:
                if prop.val.value == server_uuid:
                    yield machine.obj


def resize_steps(run: Any, tenant: Tenant, server: Any) -> None:
    nova, nics = tenant.nova, tenant.servers[0][1]

    def flavor(number: int, **changes: Any) -> objects.Flavor:
        return oracle.flavor(name=f"f{number}", flavorid=f"f{number}", id=number, **changes)

    def finish(who: Any, network: Any, bigger: Any, bdi: Any = None) -> None:
        who.old_flavor, who.flavor = who.flavor, bigger
        meta = oracle.image_meta(who.image_ref)
        nova.finish_migration(oracle.CONTEXT, None, who, "", network, meta, True, {}, block_device_info=bdi)
        nova.confirm_migration(oracle.CONTEXT, None, who, network)

    def resize() -> None:
        bigger = flavor(2, vcpus=2, memory_mb=1024, root_gb=2)
        nova.migrate_disk_and_power_off(oracle.CONTEXT, server, "x", bigger, nics, None, 10, 10)
        finish(server, nics, bigger)
        hardware = tenant.read(tenant.vm(server), "config.hardware")
        expect((hardware.numCPU, hardware.memoryMB) == (2, 1024), "CPU or memory did not grow")
        capacity = vm_util.get_vmdk_info(tenant.session, tenant.vm(server)).capacity_in_bytes
        expect(capacity == 2 * GIB, f"root disk is {capacity} bytes")

    def boots_from_volume() -> None:
        volume = tenant.volume("volume-root", size_gb=3)
        bdi = {
            "root_device_name": "/dev/sda",
            "block_device_mapping": [
                {"boot_index": 0, "connection_info": volume, "mount_device": "/dev/sda", "disk_bus": None}
            ],
            "ephemerals": [],
            "swap": None,
        }
        image_id = oracle.IMAGES.add("none", WANTED["images"]["stream"], **STREAM)
        made = oracle.instance("from-volume", image_id, tenant.node, oracle.flavor(root_gb=1))
        made.image_ref, made.migration_context = "", None
        nic = oracle.vif(tenant.group.name)
        nic["details"] = tenant.details
        network = network_model.NetworkInfo([nic])
        meta = oracle.image_meta(image_id)
        nova.spawn(oracle.CONTEXT, made, meta, [], None, {}, network_info=network, block_device_info=bdi)
        bigger = flavor(3, vcpus=2, memory_mb=1024, root_gb=2)
        nova.migrate_disk_and_power_off(oracle.CONTEXT, made, "x", bigger, network, bdi)
        made.old_flavor, made.flavor = made.flavor, bigger
        nova.finish_migration(oracle.CONTEXT, None, made, "", network, meta, True, {}, block_device_info=bdi)
        hardware = tenant.read(tenant.vm(made), "config.hardware")
        expect(hardware.numCPU == 2, "CPU did not grow")
        capacity = vm_util.get_vmdk_info(tenant.session, tenant.vm(made)).capacity_in_bytes
        expect(capacity == 3 * GIB, f"the volume is {capacity} bytes now")
        nova.destroy(oracle.CONTEXT, made, network, bdi)
        expect(
            bool(vm_util.get_vmdk_info(tenant.session, volume["ref"]).path), "the volume went with the server"
        )
        tenant.delete_volume(volume)

    run("resize", resize)
    run("resize a server that boots from a volume", boots_from_volume)


def main() -> int:
    steps = Steps()
    run = steps.run
    if "mkisofs" in WANTED:
        oracle.driver.CONF.set_override("mkisofs_cmd", WANTED["mkisofs"])
    nova = run("start driver", start)
    if nova is None:
        return 1
    neutron = switch()
    network_id = str(uuid.uuid4())
    wanted = wanted_port_group(
        cloud=CLOUD, prefix=CLOUD, network_id=network_id, network_name="net", vlan=1001, port_security=True,
        admin_state_up=True,
    )  # fmt: skip
    group = run("create network", lambda: neutron.create(wanted))
    if group is None:
        return 1
    tenant = Tenant(nova, group, neutron.uuid())
    server = boot_steps(run, tenant)
    if server is not None:
        power_steps(run, tenant, server)
        volume_steps(run, tenant, server)
        image_steps(run, tenant, server)
        resize_steps(run, tenant, server)

    def delete() -> None:
        for made, network in tenant.servers:
            nova.destroy(oracle.CONTEXT, made, network)
        expect(nova.list_instance_uuids() == [], "servers are left")
        found = neutron.find(network_id)
        expect(found is not None and not found.in_use, "the port group is still in use")
        neutron.delete(found)
        if "datastores" in WANTED:
            left = {entry.name for entry in (Path(WANTED["datastores"]) / WANTED["datastore"]).iterdir()}
            expect(left <= {"oracle_base", "vmware_temp"}, f"left on the datastore: {left}")

    run("delete all", delete)
    return 1 if steps.failed else 0


if __name__ == "__main__":
    # Nova's threads poll vCenter; they need not be waited for.
    status = main()
    sys.stdout.flush()
    os._exit(status)
