"""Drives upstream Cinder's unmodified VMDK driver against the lab's vCenter, step by step."""

from __future__ import annotations

import io
import os
import shutil
import sys
import uuid
import warnings
from pathlib import Path
from typing import Any

warnings.filterwarnings("ignore")
os.environ.setdefault("OS_CINDER_DISABLE_EVENTLET_PATCHING", "1")

from steps import Steps, expect, settings  # noqa: E402

WANTED = settings()
GIB = 1 << 30


def configure() -> Any:
    """Cinder's configuration comes from a file, as in production; returns the back-end's section."""
    from cinder import objects
    from cinder.common import config
    from cinder.volume import configuration
    from cinder.volume import driver as volume_driver
    from cinder.volume.drivers.vmware import vmdk
    from oslo_concurrency import lockutils

    path = Path("/tmp/cinder-oracle.conf")
    path.write_text(
        "\n".join(
            (
                "[DEFAULT]",
                "enabled_backends = oracle",
                "[oracle]",
                f"vmware_host_ip = {WANTED['host']}",
                f"vmware_host_port = {WANTED['port']}",
                f"vmware_host_username = {WANTED['username']}",
                f"vmware_host_password = {WANTED['password']}",
                f"vmware_ca_file = {WANTED['ca_file']}",
                f"vmware_cluster_name = {WANTED['cluster']}",
                "vmware_task_poll_interval = 0.05",
                "vmware_enable_volume_stats = true",
                "volume_backend_name = oracle",
            )
        )
    )
    config.CONF(["--config-file", str(path)], project="cinder")
    objects.register_all()
    lockutils.set_defaults("/tmp/cinder-oracle-locks")
    section = configuration.Configuration(volume_driver.volume_opts, config_group="oracle")
    section.append_config_values(vmdk.vmdk_opts)
    return section


class Record(dict):  # type: ignore[type-arg]
    """A row as Cinder's drivers see it: readable as a mapping and by attribute."""

    def __getattr__(self, name: str) -> Any:
        try:
            return self[name]
        except KeyError:
            raise AttributeError(name) from None


def volume(name: str, size: int) -> Record:
    volume_id = str(uuid.uuid4())
    return Record(
        id=volume_id,
        name=f"volume-{volume_id}",
        name_id=volume_id,
        display_name=name,
        size=size,
        project_id="project",
        user_id="user",
        volume_type_id=None,
        volume_type=Record(extra_specs={}),
        status="available",
        host="oracle@vsphere",
        volume_attachment=[],
        metadata={},
        volume_metadata=[],
        glance_metadata={},
        provider_location=None,
    )


def snapshot(of: Record, name: str) -> Record:
    snapshot_id = str(uuid.uuid4())
    return Record(
        id=snapshot_id,
        name=f"snapshot-{snapshot_id}",
        display_name=name,
        display_description="",
        volume=of,
        volume_id=of.id,
        volume_name=of.name,
        volume_size=of.size,
        provider_location=None,
    )


class ImageService:
    """Stands where Glance would: downloads come from a file, uploads land in the exchange folder."""

    # Cinder's cache of fetched images hangs itself here.
    temp_images = None

    def __init__(self) -> None:
        self.images: dict[str, dict[str, Any]] = {}

    def add(self, file: str, disk_type: str) -> str:
        image_id = str(uuid.uuid4())
        self.images[image_id] = {
            "id": image_id,
            "file": file,
            "size": Path(file).stat().st_size,
            "disk_format": "vmdk",
            "container_format": "bare",
            "properties": {"vmware_disktype": disk_type, "vmware_adaptertype": "lsiLogic"},
        }
        return image_id

    def show(self, context: Any, image_id: str) -> dict[str, Any]:
        return self.images[image_id]

    def get_location(self, context: Any, image_id: str) -> tuple[None, None]:
        return None, None

    def download(self, context: Any, image_id: str, data: Any = None) -> Any:
        content = Path(self.images[image_id]["file"]).read_bytes()
        if data is None:
            return iter([content[i : i + 65536] for i in range(0, len(content), 65536)])
        return shutil.copyfileobj(io.BytesIO(content), data)

    def update(
        self, context: Any, image_id: str, metadata: dict[str, Any], data: Any = None, **kwargs: Any
    ) -> None:
        with (Path(WANTED["exchange"]) / f"{image_id}.vmdk").open("wb") as sink:
            shutil.copyfileobj(data, sink)
        self.images[image_id] = {"id": image_id, "status": "active", **metadata}


def main() -> int:
    steps = Steps()
    run = steps.run
    section = configure()

    from cinder import context as cinder_context
    from cinder.common import config
    from cinder.volume.drivers.vmware import vmdk
    from oslo_vmware import vim_util

    context = cinder_context.get_admin_context()
    images = ImageService()
    cinder = vmdk.VMwareVcVmdkDriver(configuration=section, host="oracle@vsphere")
    if run("set up", lambda: cinder.do_setup(context) or "ready") is None:
        return 1
    ops = cinder.volumeops

    def backing(of: Record) -> Any:
        return ops.get_backing(of.name, of.id)

    def stats() -> str:
        got = cinder.get_volume_stats(refresh=True)
        pools = got.get("pools", [got])
        expect(pools[0]["total_capacity_gb"] > 0, f"no capacity: {got}")
        return f"{pools[0]['free_capacity_gb']} of {pools[0]['total_capacity_gb']} GB"

    run("statistics", stats)

    blank = volume("blank", 1)

    def create_and_connect() -> str:
        cinder.create_volume(blank)
        info = cinder.initialize_connection(blank, {})
        expect(info["driver_volume_type"] == "vmdk", str(info))
        expect(backing(blank) is not None, "no backing VM after initialize_connection")
        return str(info["data"]["volume"])

    run("create", create_and_connect)

    def extend() -> None:
        cinder.extend_volume(blank, 2)
        expect(ops.get_disk_size(backing(blank)) == 2 * GIB, "the disk did not grow")
        blank["size"] = 2

    run("extend", extend)

    from_stream = volume("from stream", 1)
    from_sparse = volume("from sparse", 1)
    from_flat = volume("from flat", 1)
    for name, target, file, disk_type in (
        ("streamOptimized", from_stream, "stream", "streamOptimized"),
        ("sparse", from_sparse, "sparse", "sparse"),
        ("preallocated", from_flat, "flat", "preallocated"),
    ):
        image_id = images.add(WANTED["images"][file], disk_type)

        def copy(target: Record = target, image_id: str = image_id) -> str:
            cinder.copy_image_to_volume(context, target, images, image_id)
            expect(backing(target) is not None, "no backing VM")
            return str(ops.get_vmdk_path(backing(target)))

        run(f"from {name} image", copy)

    def to_image(of: Record) -> str:
        image_id = str(uuid.uuid4())
        meta = {"id": image_id, "name": "uploaded", "disk_format": "vmdk", "container_format": "bare"}
        cinder.copy_volume_to_image(context, of, images, meta)
        return str(Path(WANTED["exchange"]) / f"{image_id}.vmdk")

    run("to image", lambda: to_image(from_stream))
    run("flat to image", lambda: to_image(from_flat))

    clone = volume("clone", 1)

    def make_clone() -> str:
        cinder.create_cloned_volume(clone, from_stream)
        return to_image(clone)

    run("clone to image", make_clone)

    larger = volume("larger clone", 2)

    def make_larger() -> None:
        cinder.create_cloned_volume(larger, from_stream)
        expect(ops.get_disk_size(backing(larger)) == 2 * GIB, "the clone did not grow")

    run("larger clone", make_larger)

    snap = snapshot(from_stream, "snap")
    restored = volume("restored", 1)

    def make_snapshot() -> str:
        snap.update(cinder.create_snapshot(snap) or {})
        expect(bool(snap.provider_location), "no template was made")
        return str(snap.provider_location)

    def restore() -> str:
        cinder.create_volume_from_snapshot(restored, snap)
        return to_image(restored)

    run("snapshot", make_snapshot)
    run("restored to image", restore)
    run("delete snapshot", lambda: cinder.delete_snapshot(snap))

    def cow_snapshot() -> None:
        """A snapshot inside the backing VM, and reverting to it."""
        cow = snapshot(restored, "cow")
        config.CONF.set_override("vmware_snapshot_format", "COW", group="oracle")
        try:
            cinder.create_snapshot(cow)
            cinder.revert_to_snapshot(context, restored, cow)
            cinder.delete_snapshot(cow)
        finally:
            config.CONF.clear_override("vmware_snapshot_format", group="oracle")

    run("COW snapshot and revert", cow_snapshot)

    def attach() -> str:
        """Connect to an instance: a VM of the compute cluster, whose host must see the datastore."""
        instance = backing(blank)
        connector = {"instance": vim_util.get_moref_value(instance)}
        info = cinder.initialize_connection(from_stream, connector)
        cinder.terminate_connection(from_stream, connector)
        return str(info["data"])

    run("attach", attach)

    def delete_all() -> None:
        everything = (blank, from_stream, from_sparse, from_flat, clone, larger, restored)
        for gone in everything:
            cinder.delete_volume(gone)
        left = [v.display_name for v in everything if backing(v) is not None]
        expect(not left, f"left: {left}")

    run("delete all", delete_all)
    return 1 if steps.failed else 0


if __name__ == "__main__":
    sys.exit(main())
