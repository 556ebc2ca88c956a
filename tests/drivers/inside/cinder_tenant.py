"""What a tenant does with volumes, with our Cinder driver against the lab's vCenter, step by step.

Stands on the helpers of the upstream oracle (tests/oracles/inside/cinder_vmdk.py) and runs where that runs.
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

import cinder_vmdk as oracle
from steps import Steps, expect

WANTED = oracle.WANTED
GIB = 1 << 30
DESCRIPTOR = (
    '<Envelope xmlns="http://schemas.dmtf.org/ovf/envelope/1" '
    'xmlns:ovf="http://schemas.dmtf.org/ovf/envelope/1">'
    '<References><File ovf:id="f" ovf:href="d.vmdk"/></References>'
    '<DiskSection><Disk ovf:diskId="d" ovf:fileRef="f"/></DiskSection></Envelope>'
)


class Server:
    """A running virtual machine that a volume is attached to as Nova attaches it."""

    def __init__(self, driver: Any) -> None:
        self.ops, self.session, self.uuid = driver.volumeops, driver.session, str(uuid.uuid4())
        factory = self.session.vim.client.factory
        self._make = factory.create
        host, pool, folder, summary = driver._select_ds_for_volume(oracle.volume("server", 1))
        self.vm = self.ops.create_backing(
            "server", 1 << 20, "thin", folder, pool, host, summary.name,
            extra_config={"instanceUuid": self.uuid}, adapter_type="lsiLogic",
        )  # fmt: skip
        self._power("PowerOnVM_Task")

    def attach(self, volume: Any, path: str) -> None:
        disk = self._make("ns0:VirtualDisk")
        disk.key, disk.controllerKey, disk.unitNumber, disk.capacityInKB = -2, 1000, 1, 0
        disk.backing = self._make("ns0:VirtualDiskFlatVer2BackingInfo")
        disk.backing.diskMode, disk.backing.fileName, disk.backing.thinProvisioned = "persistent", path, True
        noted = self._make("ns0:OptionValue")
        noted.key, noted.value = f"volume-{volume.id}", volume.id
        self._reconfigure("add", disk, [noted])

    def detach(self, volume: Any) -> None:
        self._reconfigure("remove", self.disk(volume.id), [])

    def disk(self, disk_uuid: str) -> Any:
        found = [
            d
            for d in self.ops._devices(self.vm)
            if getattr(getattr(d, "backing", None), "uuid", "") == disk_uuid
        ]
        return found[0] if found else None

    def delete(self) -> None:
        self._power("PowerOffVM_Task")
        self.ops.delete_backing(self.vm)

    def _power(self, method: str) -> None:
        self.session.wait_for_task(self.session.invoke_api(self.session.vim, method, self.vm))

    def _reconfigure(self, operation: str, device: Any, options: list[Any]) -> None:
        change = self._make("ns0:VirtualDeviceConfigSpec")
        change.operation, change.device = operation, device
        spec = self._make("ns0:VirtualMachineConfigSpec")
        spec.deviceChange, spec.extraConfig = [change], options
        self.ops._reconfigure_backing(self.vm, spec)


def extend_steps(run: Any, driver: Any) -> None:
    volume = oracle.volume("data", 1)

    def create() -> Any:
        driver.create_volume(volume)
        server = Server(driver)
        info = driver.initialize_connection(volume, {"instance": server.vm.value})
        expect(info["driver_volume_type"] == "vmdk", str(info))
        server.attach(
            volume, driver.volumeops.get_vmdk_path(driver.volumeops.get_backing(volume.name, volume.id))
        )
        expect(server.disk(volume.id) is not None, "not attached")
        volume["volume_attachment"] = [oracle.Record(instance_uuid=server.uuid)]
        return server

    server = run("create and attach", create)
    if server is None:
        return

    def extend_attached() -> None:
        driver.extend_volume(volume, 2)
        expect(server.disk(volume.id).capacityInKB == 2 << 20, "the disk did not grow in the server")
        volume["size"] = 2

    def extend_detached() -> None:
        server.detach(volume)
        volume["volume_attachment"] = []
        driver.extend_volume(volume, 3)
        backing = driver.volumeops.get_backing(volume.name, volume.id)
        expect(driver.volumeops.get_disk_size(backing) == 3 * GIB, "the disk did not grow")

    run("extend attached", extend_attached)
    run("detach and extend", extend_detached)
    run("delete server", server.delete)
    run("delete extended volume", lambda: driver.delete_volume(volume))


def image_steps(run: Any, driver: Any, context: Any) -> list[Any]:
    images = oracle.ImageService()
    from_ova, from_location = oracle.volume("from OVA", 1), oracle.volume("from location", 1)

    def to_image(of: Any) -> str:
        image_id = str(uuid.uuid4())
        meta = {"id": image_id, "name": "uploaded", "disk_format": "vmdk", "container_format": "bare"}
        driver.copy_volume_to_image(context, of, images, meta)
        return str(Path(WANTED["exchange"]) / f"{image_id}.vmdk")

    def ova() -> str:
        target = Path(WANTED["exchange"]) / "volume.ova"
        with tarfile.open(target, "w") as archive:
            info = tarfile.TarInfo("vm.ovf")
            info.size = len(DESCRIPTOR)
            archive.addfile(info, io.BytesIO(DESCRIPTOR.encode()))
            archive.add(WANTED["images"]["stream"], "d.vmdk")
        image_id = images.add(str(target), "streamOptimized")
        images.images[image_id]["container_format"] = "ova"
        driver.copy_image_to_volume(context, from_ova, images, image_id)
        return to_image(from_ova)

    def location() -> str:
        """A sparse image that lies on a datastore is copied there, and not through Cinder."""
        image_id = images.add(WANTED["images"]["sparse"], "sparse")
        folder = Path(WANTED["datastores"]) / "shared-ds" / "openstack_glance"
        folder.mkdir(exist_ok=True)
        shutil.copy(WANTED["images"]["sparse"], folder / image_id)
        where = f"vsphere://{WANTED['host']}/folder/openstack_glance/{image_id}?dcPath=/Datacenter&dsName=shared-ds"
        images.get_location = lambda context, image_id: (None, [{"url": where}])  # type: ignore
        images.download = lambda *_, **__: expect(False, "the image was downloaded")  # type: ignore
        driver.copy_image_to_volume(context, from_location, images, image_id)
        return to_image(from_location)

    run("OVA to volume to image", ova)
    if "datastores" in WANTED:
        run("image on a datastore to volume to image", location)
    return [from_ova, from_location]


def main() -> int:
    steps = Steps()
    run = steps.run
    section = oracle.configure()

    from cinder import context as cinder_context
    from cinder.common import config

    from viaduct_drivers.cinder.vmdk import ViaductVmdkDriver

    config.CONF.set_override("vmware_datastore_regex", f"^{WANTED['datastore']}$", group="oracle")
    context = cinder_context.get_admin_context()
    driver = ViaductVmdkDriver(configuration=section, host="oracle@vsphere")
    if run("set up", lambda: driver.do_setup(context) or "ready") is None:
        return 1

    def statistics() -> str:
        ours = driver.get_volume_stats(refresh=True)["total_capacity_gb"]
        driver._ds_regex = None
        every = driver.get_volume_stats(refresh=True)["total_capacity_gb"]
        expect(0 < ours < every, f"{ours} GB of {every} GB")
        return f"{ours} of {every} GB"

    run("statistics", statistics)
    driver._ds_regex = driver.ds_sel._ds_regex
    extend_steps(run, driver)
    made = image_steps(run, driver, context)

    def delete() -> None:
        for volume in made:
            driver.delete_volume(volume)
            expect(
                driver.volumeops.get_backing(volume.name, volume.id) is None, f"left: {volume.display_name}"
            )

    run("delete all", delete)
    return 1 if steps.failed else 0


if __name__ == "__main__":
    status = main()
    sys.stdout.flush()
    os._exit(status)
