"""Checks of volumes: attaching, extending, and that images and volumes keep their bytes."""

from __future__ import annotations

from viaduct.services.verify import disk_image
from viaduct.services.verify.run import CheckFailed, Run

SIZE, EXTENDED = 1, 2
"""GiB of the volume that is attached, before and after it is extended."""


def create_volume(run: Run, deadline: float) -> None:
    run.ids["volume"] = run.tenant.create_volume(run.name("volume"), SIZE)
    run.volume("volume", "available", deadline)


def attach(run: Run, deadline: float) -> None:
    run.tenant.attach(run.ids["server"], run.ids["volume"])
    volume = run.volume("volume", "in-use", deadline)
    run.vcenter(volumes=(volume.size_gb,))


def detach(run: Run, deadline: float) -> None:
    run.tenant.detach(run.ids["server"], run.ids["volume"])
    run.volume("volume", "available", deadline)
    run.vcenter()


def extend(run: Run, deadline: float) -> None:
    """While detached: Nova's vSphere driver cannot extend an attached volume."""
    run.tenant.extend(run.ids["volume"], EXTENDED)
    volume = run.volume("volume", "available", deadline)
    if volume.size_gb != EXTENDED:
        raise CheckFailed(f"the volume has {volume.size_gb} GiB instead of {EXTENDED}")


def volume_from_image(run: Run, deadline: float) -> None:
    run.ids["copy"] = run.tenant.create_volume(run.name("copy"), SIZE, run.ids["image"])
    run.volume("copy", "available", deadline)


def volume_to_image(run: Run, deadline: float) -> None:
    run.ids["upload"] = run.tenant.volume_to_image(run.ids["copy"], run.name("upload"))
    run.image("upload", deadline)
    run.volume("copy", "available", deadline)


def same_bytes(run: Run, deadline: float) -> None:
    downloaded = run.scratch / "upload.vmdk"
    run.tenant.download_image(run.ids["upload"], downloaded)
    differing = disk_image.difference(run.scratch / "disk.raw", downloaded)
    downloaded.unlink()
    if differing:
        raise CheckFailed(
            f"the image of the volume has other bytes than the image it was made from: {differing}"
        )


def delete_volumes(run: Run, deadline: float) -> None:
    mine = [which for which in ("volume", "copy") if which in run.ids]
    for which in mine:
        run.tenant.delete_volume(run.ids[which])
    for which in mine:
        run.gone(f"volume {run.ids[which]}", lambda which=which: run.tenant.volume(run.ids[which]), deadline)  # type: ignore[misc]
