"""What the administrator's machine must have. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

GIB = 1 << 30
BUILD_BYTES = 10 * GIB
"""Free space for building the appliance and running the lab with one small cloud."""
RUN_BYTES = 2 * GIB
"""Free space once the appliance is built."""
LAB_MEMORY_MB = 5 * 1024

Problem = tuple[str, str]


@dataclass(frozen=True)
class MachineFacts:
    """What was found.

    ``filesystems`` are those that the kernel knows. ``overlay_refusal`` and ``tun_refusal`` are why an
    overlay in the state directory and /dev/net/tun, when tried, did not work; empty if they did, or could
    not be tried without root.
    """

    root: bool
    state_dir: str
    state_filesystem: str
    free_bytes: int
    filesystems: frozenset[str]
    memory_mb: int
    overlay_refusal: str = ""
    tun_refusal: str = ""


def check_machine(facts: MachineFacts, *, lab: bool, image_built: bool) -> tuple[Problem, ...]:
    """Problems of this machine; ``lab``: it shall run the lab, for which the image is built or not yet."""
    problems = list(_lab(facts)) if lab else []
    needed = BUILD_BYTES if lab and not image_built else RUN_BYTES if lab else GIB // 4
    if facts.free_bytes < needed:
        problems.append(
            (
                f"{facts.state_dir} has {facts.free_bytes / GIB:.1f} GiB free, "
                f"but {needed / GIB:.2g} GiB are needed.",
                "Free some space, or choose another state directory (--state DIR).",
            )
        )
    return tuple(problems)


def _lab(facts: MachineFacts) -> Iterator[Problem]:
    if not facts.root:
        yield (
            "The lab needs root: it makes network namespaces, mounts and guests.",
            "Run as root (sudo ./viaduct …), or deploy on a vSphere of your own with --site FILE.",
        )
    yield from _overlay(facts)
    if facts.tun_refusal:
        yield (
            f"/dev/net/tun cannot be used ({facts.tun_refusal}); the lab's distributed switch needs it.",
            "Load it (modprobe tun), or give the container the device /dev/net/tun.",
        )
    if facts.memory_mb < LAB_MEMORY_MB:
        yield (
            f"The machine has {facts.memory_mb} MiB of memory; lab and tiny cloud need {LAB_MEMORY_MB}.",
            "Use a machine with 8 GiB.",
        )


def _overlay(facts: MachineFacts) -> Iterator[Problem]:
    """The reason that is known, else what the trial said."""
    known = False
    if facts.state_filesystem == "overlay":
        known = True
        yield (
            f"{facts.state_dir} lies on overlayfs, which cannot hold a guest's own overlay.",
            "Choose a state directory on a real file system (--state DIR), such as a container's volume.",
        )
    if "overlay" not in facts.filesystems:
        known = True
        yield (
            "The kernel has no overlay file system; the lab's guests run on one.",
            "Load it (modprobe overlay), or use a kernel with CONFIG_OVERLAY_FS.",
        )
    if facts.overlay_refusal and not known:
        yield (
            f"A guest's overlay cannot be mounted in {facts.state_dir} ({facts.overlay_refusal}).",
            "Choose a state directory on ext4, XFS or btrfs (--state DIR); in a container, run it privileged.",
        )
