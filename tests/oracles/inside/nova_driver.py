"""Drives upstream Nova's unmodified VMwareVCDriver against the lab's vCenter, step by step."""

from __future__ import annotations

import os
import shutil
import sys
import uuid
import warnings
from functools import partial
from pathlib import Path
from typing import Any

warnings.filterwarnings("ignore")
os.environ.setdefault("OS_NOVA_DISABLE_EVENTLET_PATCHING", "1")

from steps import Steps, expect, settings  # noqa: E402

WANTED = settings()
MIB, GIB = 1 << 20, 1 << 30


def configure() -> None:
    """Nova's configuration comes from a file, as in production, before any driver module is imported."""
    from nova import config, objects
    from oslo_concurrency import lockutils

    path = Path("/tmp/nova-oracle.conf")
    path.write_text(
        "\n".join(
            (
                "[DEFAULT]",
                "compute_driver = vmwareapi.VMwareVCDriver",
                "[vmware]",
                f"host_ip = {WANTED['host']}",
                f"host_port = {WANTED['port']}",
                f"host_username = {WANTED['username']}",
                f"host_password = {WANTED['password']}",
                f"ca_file = {WANTED['ca_file']}",
                f"cluster_name = {WANTED['cluster']}",
                "cache_prefix = oracle",
                "task_poll_interval = 0.05",
                "api_retry_count = 1",
                "[vnc]",
                "enabled = false",
            )
        )
    )
    config.parse_args(["nova"], default_config_files=[str(path)], configure_db=False, init_rpc=False)
    objects.register_all()
    lockutils.set_defaults("/tmp/nova-oracle-locks")


configure()

from nova import context as nova_context  # noqa: E402
from nova import objects  # noqa: E402
from nova.compute import power_state  # noqa: E402
from nova.network import model as network_model  # noqa: E402
from nova.virt.vmwareapi import driver, images, vm_util, vmops  # noqa: E402
from oslo_vmware import vim_util  # noqa: E402


class ImageService:
    """Stands where Glance would: images are files; uploads land in files."""

    def __init__(self) -> None:
        self.meta: dict[str, dict[str, Any]] = {}
        self.uploads: dict[str, Path] = {}

    def add(self, name: str, file: str, **properties: str) -> str:
        image_id = str(uuid.uuid4())
        self.meta[image_id] = {
            "id": image_id,
            "name": name,
            "file": file,
            "size": Path(file).stat().st_size,
            "disk_format": "vmdk",
            "container_format": "bare",
            "status": "active",
            "min_ram": 0,
            "min_disk": 0,
            "properties": properties,
        }
        return image_id

    def get(self, context: Any, image_id: str, **kwargs: Any) -> dict[str, Any]:
        return self.meta[image_id]

    def download(self, context: Any, image_id: str, **kwargs: Any) -> Any:
        with open(self.meta[image_id]["file"], "rb") as source:
            while block := source.read(65536):
                yield block

    def update(
        self, context: Any, image_id: str, metadata: dict[str, Any], data: Any = None, **kwargs: Any
    ) -> None:
        target = Path(WANTED["exchange"]) / f"{image_id}.vmdk"
        with target.open("wb") as sink:
            shutil.copyfileobj(data, sink)
        self.uploads[image_id] = target
        self.meta[image_id] = {"id": image_id, **metadata}


IMAGES = ImageService()
images.IMAGE_API = IMAGES
vmops.compute.API = lambda *args, **kwargs: None
CONTEXT = nova_context.RequestContext("user", "project", is_admin=True)
CONTEXT.user_name, CONTEXT.project_name = "user", "project"


class NetworkApi:
    """Neutron's side of a spawn: the index of a vNIC is told to it."""

    def update_instance_vnic_index(self, *args: Any, **kwargs: Any) -> None: ...


def flavor(**changes: Any) -> objects.Flavor:
    values = {
        "name": "oracle",
        "memory_mb": 512,
        "vcpus": 1,
        "root_gb": 1,
        "ephemeral_gb": 0,
        "swap": 0,
        "extra_specs": {},
        "flavorid": "oracle",
        "id": 1,
    }
    return objects.Flavor(**{**values, **changes})


def instance(name: str, image_id: str, node: str, wanted: objects.Flavor) -> objects.Instance:
    made = objects.Instance(
        context=CONTEXT,
        id=1,
        uuid=str(uuid.uuid4()),
        display_name=name,
        hostname=name,
        image_ref=image_id,
        flavor=wanted,
        vcpus=wanted.vcpus,
        memory_mb=wanted.memory_mb,
        root_gb=wanted.root_gb,
        ephemeral_gb=0,
        # Nova keeps the image's properties with the instance; the resize path reads them back.
        system_metadata={f"image_{k}": v for k, v in IMAGES.meta[image_id]["properties"].items()},
        metadata={},
        host="oracle",
        node=node,
        project_id="project",
        user_id="user",
        config_drive="",
        numa_topology=None,
        vm_state="building",
        task_state=None,
        power_state=0,
        os_type="otherGuest",
        availability_zone="nova",
        launch_index=0,
        progress=0,
        # Nova fills these when it makes an instance; the driver's disk code asks for them.
        root_device_name="/dev/sda",
        key_data=None,
        ec2_ids=objects.EC2Ids(),
    )
    # What would go to Nova's database goes nowhere: progress is written after each part of a resize.
    object.__setattr__(made, "save", lambda *args, **kwargs: None)
    return made


def vif(port_group: str) -> network_model.VIF:
    subnet = network_model.Subnet(
        cidr="192.0.2.0/24",
        gateway=network_model.IP("192.0.2.1"),
        ips=[network_model.FixedIP(address="192.0.2.5")],
    )
    network = network_model.Network(id=str(uuid.uuid4()), bridge=port_group, label="oracle", subnets=[subnet])
    last = uuid.uuid4().bytes[:3]
    return network_model.VIF(
        id=str(uuid.uuid4()),
        address="fa:16:3e:{:02x}:{:02x}:{:02x}".format(*last),
        network=network,
        type=network_model.VIF_TYPE_DVS,
        details={"dvs_port_group_name": port_group},
        active=True,
    )


def image_meta(image_id: str) -> objects.ImageMeta:
    return objects.ImageMeta.from_dict(IMAGES.meta[image_id])


def main() -> int:
    steps = Steps()
    run = steps.run
    nova = run("start driver", lambda: driver.VMwareVCDriver(None))
    if nova is None:
        return 1
    nova._vmops._network_api = NetworkApi()
    session, node = nova._session, nova.get_available_nodes()[0]

    def find(who: objects.Instance) -> Any:
        return vm_util.get_vm_ref(session, who)

    def read(who: objects.Instance, path: str) -> Any:
        return session._call_method(vim_util, "get_object_property", find(who), path)

    def state(who: objects.Instance) -> int:
        return nova.get_info(who).state

    def resources() -> str:
        got = nova.get_available_resource(node)
        expect(got["vcpus"] > 0 and got["memory_mb"] > 0 and got["local_gb"] > 0, f"empty resources: {got}")
        return f"{got['vcpus']} CPUs {got['memory_mb']} MB {got['local_gb']} GB"

    run("get_available_resource", resources)
    run("host stats", lambda: nova._vc_state.get_host_stats(refresh=True)["vcpus"])

    kinds = {
        "flat": ("flat", {"vmware_disktype": "preallocated", "vmware_adaptertype": "lsiLogic"}),
        "sparse": ("sparse", {"vmware_disktype": "sparse", "vmware_adaptertype": "lsiLogic"}),
        "full clone": (
            "flat",
            {
                "vmware_disktype": "preallocated",
                "vmware_adaptertype": "paraVirtual",
                "img_linked_clone": "false",
            },
        ),
        "streamOptimized": (
            "stream",
            {"vmware_disktype": "streamOptimized", "vmware_adaptertype": "lsiLogic"},
        ),
    }
    made: dict[str, objects.Instance] = {}
    network: dict[str, network_model.NetworkInfo] = {}
    for kind, (file, properties) in kinds.items():
        image_id = IMAGES.add(kind, WANTED["images"][file], **properties)
        who = instance(f"oracle-{file}", image_id, node, flavor())
        network[kind] = network_model.NetworkInfo([vif(WANTED["port_group"])])
        made[kind] = who

        def spawn(who: objects.Instance, kind: str, image_id: str) -> str:
            nova.spawn(CONTEXT, who, image_meta(image_id), [], None, {}, network_info=network[kind])
            expect(state(who) == power_state.RUNNING, "the VM does not run after spawn")
            vmdk = vm_util.get_vmdk_info(session, find(who))
            return str(vmdk.path)

        run(f"spawn {kind}", partial(spawn, who, kind, image_id))

    who, nics = made["flat"], network["flat"]
    vm_util.vm_refs_cache_reset()

    def listed() -> int:
        uuids = nova.list_instance_uuids()
        expect(all(m.uuid in uuids for m in made.values()), f"instances missing from {uuids}")
        return len(uuids)

    run("list instances", listed)

    def power_cycle() -> None:
        nova.power_off(who)
        expect(state(who) == power_state.SHUTDOWN, "still on after power_off")
        nova.power_on(CONTEXT, who, nics)
        expect(state(who) == power_state.RUNNING, "not on after power_on")

    def soft_off() -> None:
        nova.power_off(who, timeout=10, retry_interval=1)
        expect(state(who) == power_state.SHUTDOWN, "still on after a soft power_off")
        nova.power_on(CONTEXT, who, nics)

    run("power off and on", power_cycle)
    run("soft power off", soft_off)
    run("hard reboot", lambda: nova.reboot(CONTEXT, who, nics, "HARD"))
    run("soft reboot", lambda: nova.reboot(CONTEXT, who, nics, "SOFT"))

    def suspended() -> None:
        nova.suspend(CONTEXT, who)
        expect(state(who) == power_state.SUSPENDED, "not suspended")
        nova.resume(CONTEXT, who, nics)
        expect(state(who) == power_state.RUNNING, "not running after resume")

    run("suspend and resume", suspended)
    run("disk info", lambda: vm_util.get_vmdk_info(session, find(who)).path)
    run("MKS console", lambda: nova.get_mks_console(CONTEXT, who).host)
    run("volume connector", lambda: sorted(nova.get_volume_connector(who)))

    extra = vif(WANTED["port_group"])

    def adapters() -> list[str]:
        return [
            d.macAddress
            for d in read(who, "config.hardware.device").VirtualDevice
            if hasattr(d, "macAddress")
        ]

    def attach_nic() -> None:
        nova.attach_interface(CONTEXT, who, image_meta(who.image_ref), extra)
        expect(extra["address"] in adapters(), "the adapter is not there")

    def detach_nic() -> None:
        nova.detach_interface(CONTEXT, who, extra)
        expect(extra["address"] not in adapters(), "the adapter is still there")

    run("attach interface", attach_nic)
    run("detach interface", detach_nic)

    def snapshot() -> str:
        image_id = str(uuid.uuid4())
        IMAGES.meta[image_id] = {"id": image_id, "name": "snapshot", "properties": {}}
        nova.snapshot(CONTEXT, who, image_id, lambda **kwargs: None)
        expect(read(who, "snapshot") is None, "the snapshot was left behind")
        return str(IMAGES.uploads[image_id])

    run("snapshot to image", snapshot)

    def resize() -> None:
        bigger = flavor(name="bigger", flavorid="bigger", id=2, vcpus=2, memory_mb=1024, root_gb=2)
        nova.migrate_disk_and_power_off(CONTEXT, who, "oracle", bigger, nics)
        who.old_flavor, who.flavor = who.flavor, bigger
        nova.finish_migration(CONTEXT, None, who, "", nics, image_meta(who.image_ref), True, {})
        hardware = read(who, "config.hardware")
        expect(hardware.numCPU == 2 and hardware.memoryMB == 1024, "CPU or memory did not grow")
        capacity = vm_util.get_vmdk_info(session, find(who)).capacity_in_bytes
        expect(capacity == 2 * GIB, f"root disk is {capacity} bytes")
        nova.confirm_migration(CONTEXT, None, who, nics)

    run("resize", resize)

    volume: dict[str, Any] = {}

    def make_volume() -> str:
        """A shadow VM with one disk, as Cinder's VMDK driver leaves it."""
        factory = session.vim.client.factory
        spec = vm_util.get_vm_create_spec
        datastore = vm_util.get_vmdk_info(session, find(who)).device.backing.datastore
        data_center = nova._vmops.get_datacenter_ref_and_name(datastore)
        disk = factory.create("ns0:VirtualDisk")
        disk.key, disk.controllerKey, disk.unitNumber, disk.capacityInKB = -2, -1, 0, MIB
        backing = factory.create("ns0:VirtualDiskFlatVer2BackingInfo")
        backing.diskMode, backing.thinProvisioned, backing.fileName = "persistent", True, ""
        disk.backing = backing
        controller = factory.create("ns0:VirtualLsiLogicController")
        controller.key, controller.busNumber, controller.sharedBus = -1, 0, "noSharing"
        changes = []
        for device in (controller, disk):
            change = factory.create("ns0:VirtualDeviceConfigSpec")
            change.operation, change.device = "add", device
            if device is disk:
                change.fileOperation = "create"
            changes.append(change)
        config = factory.create("ns0:VirtualMachineConfigSpec")
        config.name, config.numCPUs, config.memoryMB = "volume-oracle", 1, 128
        config.guestId, config.deviceChange = "otherGuest", changes
        files = factory.create("ns0:VirtualMachineFileInfo")
        files.vmPathName = f"[{WANTED['datastore']}]"
        config.files = files
        pool = vm_util.get_res_pool_ref(session, nova._cluster_ref)
        task = session._call_method(
            session.vim, "CreateVM_Task", data_center.vmFolder, config=config, pool=pool
        )
        volume["ref"] = session._wait_for_task(task).result
        volume["info"] = {
            "driver_volume_type": "vmdk",
            "data": {
                "volume": vim_util.get_moref_value(volume["ref"]),
                "volume_id": str(uuid.uuid4()),
                "name": "volume-oracle",
            },
        }
        expect(callable(spec), "nova's own spec builder is gone")
        return vm_util.get_vmdk_info(session, volume["ref"]).path

    def disks() -> list[str]:
        return [
            d.backing.fileName
            for d in read(who, "config.hardware.device").VirtualDevice
            if d.__class__.__name__ == "VirtualDisk"
        ]

    def attach_volume() -> None:
        before = len(disks())
        nova.attach_volume(CONTEXT, volume["info"], who, "/dev/sdb")
        expect(len(disks()) == before + 1, f"no new disk: {disks()}")

    def detach_volume() -> None:
        before = len(disks())
        nova.detach_volume(CONTEXT, volume["info"], who, "/dev/sdb")
        expect(len(disks()) == before - 1, f"the disk is still there: {disks()}")
        path = vm_util.get_vmdk_info(session, volume["ref"]).path
        expect(bool(path), "the volume lost its disk")

    def delete_volume() -> None:
        task = session._call_method(session.vim, "Destroy_Task", volume["ref"])
        session._wait_for_task(task)

    run("make a volume's VM", make_volume)
    run("attach volume", attach_volume)
    run("detach volume", detach_volume)
    run("delete volume's VM", delete_volume)

    def relocate() -> None:
        datastore = vm_util.get_vmdk_info(session, find(who)).device.backing.datastore
        hosts = session._call_method(vim_util, "get_object_property", nova._cluster_ref, "host")
        here = vim_util.get_moref_value(read(who, "runtime.host"))
        there = next(h for h in hosts.ManagedObjectReference if vim_util.get_moref_value(h) != here)
        pool = vm_util.get_res_pool_ref(session, nova._cluster_ref)
        vm_util.relocate_vm(session, find(who), pool, datastore, there)
        now = vim_util.get_moref_value(read(who, "runtime.host"))
        expect(now == vim_util.get_moref_value(there), f"the VM is on {now}")

    run("relocate to another host", relocate)
    run("diagnostics", lambda: len(nova._vmops._get_diagnostics(who)))

    def destroy() -> None:
        for kind, gone in made.items():
            nova.destroy(CONTEXT, gone, network[kind])
        vm_util.vm_refs_cache_reset()
        left = nova.list_instance_uuids()
        expect(not any(m.uuid in left for m in made.values()), f"left: {left}")

    run("destroy all", destroy)
    return 1 if steps.failed else 0


if __name__ == "__main__":
    sys.exit(main())
