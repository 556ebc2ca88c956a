"""The checks, as data: what is checked, in which order, what may run side by side, and for how long."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from viaduct.services.verify import end_checks, server_checks, volume_checks
from viaduct.services.verify.run import Run


@dataclass(frozen=True)
class Check:
    """``seconds``: the longest that it may take; ``subject``: what OpenStack is asked about when it fails."""

    name: str
    title: str
    seconds: float
    work: Callable[[Run, float], None]
    subject: str = ""


Track = tuple[Check, ...]

PREPARE: Track = (
    Check("image", "upload a VMDK image", 120, server_checks.upload_image),
    Check("network", "create a network and a subnet", 30, server_checks.create_network),
    Check("flavor", "create two flavors", 30, server_checks.create_flavors),
)

SERVER: Track = (
    Check("boot", "boot a server", 240, server_checks.boot, "server"),
    Check("stop", "stop it", 120, server_checks.stop, "server"),
    Check("start", "start it", 120, server_checks.start, "server"),
    Check("reboot", "reboot it", 120, server_checks.soft_reboot, "server"),
    Check("hard-reboot", "reboot it hard", 120, server_checks.hard_reboot, "server"),
    Check("resize", "resize it and confirm", 240, server_checks.resize, "server"),
    Check("snapshot", "make a snapshot of it", 240, server_checks.snapshot, "server"),
    Check("volume", "create a volume", 60, volume_checks.create_volume, "volume"),
    Check("attach", "attach the volume", 120, volume_checks.attach, "volume"),
    Check("detach", "detach the volume", 120, volume_checks.detach, "volume"),
    Check("extend", "extend the volume", 120, volume_checks.extend, "volume"),
    Check("attach-extended", "attach the extended volume", 120, volume_checks.attach, "volume"),
    Check("detach-extended", "detach the extended volume", 120, volume_checks.detach, "volume"),
)

BYTES: Track = (
    Check("volume-from-image", "make a volume from the image", 240, volume_checks.volume_from_image, "copy"),
    Check("volume-to-image", "store that volume as an image", 240, volume_checks.volume_to_image, "copy"),
    Check("same-bytes", "compare the two images' bytes", 120, volume_checks.same_bytes, "copy"),
)

FINISH: Track = (
    Check("delete-server", "delete the server", 120, server_checks.delete_server, "server"),
    Check("delete-volumes", "delete the volumes", 120, volume_checks.delete_volumes, "volume"),
    Check("delete-images", "delete the images", 60, end_checks.delete_images),
    Check("delete-network", "delete the network", 60, end_checks.delete_network),
    Check("nothing-left", "look for leftovers in vCenter", 60, end_checks.nothing_left),
)

STAGES: tuple[tuple[Track, ...], ...] = ((PREPARE,), (SERVER, BYTES), (FINISH,))
"""Stages, one after the other; the tracks of a stage run side by side."""
