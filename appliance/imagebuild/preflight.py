"""What must hold before a build starts; each failure names its remedy."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable
from pathlib import Path

from imagebuild.debian import KEYRING
from imagebuild.errors import BuildError

NEEDED_BYTES = 8 << 30
_FULL_BYTES = 200 << 20
_TOOLS = {
    "mmdebstrap": "mmdebstrap",
    "apt-config": "apt",
    "unshare": "util-linux",
    "setpriv": "util-linux",
    "mount": "mount",
    "chroot": "coreutils",
}
# File systems on which overlayfs cannot keep its changes.
_NO_UPPER = ("overlay", "nfs", "nfs4", "cifs", "9p", "fuse", "vfat", "exfat", "ntfs")


def check(state: Path) -> None:
    """Raise BuildError when the image cannot be built on this machine, or not in `state`."""
    if os.geteuid() != 0:
        raise BuildError("E_ROOT", "Building the appliance needs root.", "Run it as root (sudo).")
    for tool, package in _TOOLS.items():
        if shutil.which(tool) is None:
            raise BuildError(
                "E_TOOL", f"The program {tool} is missing.", f"Install it: apt-get install {package}."
            )
    if not KEYRING.is_file():
        raise BuildError(
            "E_KEYRING",
            f"Debian's archive keys ({KEYRING}) are missing.",
            "Install them: apt-get install debian-archive-keyring.",
        )
    if any(character in str(state) for character in ":,\\'\" \n"):
        raise BuildError(
            "E_STATE_PATH",
            f"The state directory {state} has a character that overlayfs or mount cannot take.",
            "Choose a path without blanks, quotes, colons, commas and backslashes.",
        )
    kind = file_system(state, Path("/proc/self/mountinfo").read_text().splitlines())
    if kind in _NO_UPPER or kind.startswith("fuse."):
        raise BuildError(
            "E_STATE_FS",
            f"The state directory {state} lies on {kind}, which cannot hold an overlay's changes.",
            "Choose one on a local disk (ext4, xfs, btrfs) with --state or VIADUCT_STATE.",
        )
    if "overlay" not in Path("/proc/filesystems").read_text():
        raise BuildError(
            "E_OVERLAY", "This kernel has no overlayfs.", "Load it (modprobe overlay) or use another kernel."
        )


def check_space(state: Path) -> None:
    """Raise BuildError when a full build would not fit."""
    free = shutil.disk_usage(state).free
    if free < NEEDED_BYTES:
        raise BuildError(
            "E_DISK",
            f"Only {free / (1 << 30):.1f} GiB are free at {state}; the build needs {NEEDED_BYTES >> 30}.",
            "Free some space, or choose another state directory with --state or VIADUCT_STATE.",
        )


def has_room(state: Path) -> bool:
    """Whether a build in `state` could still write anything worth mentioning."""
    existing = next(path for path in (state, *state.absolute().parents) if path.exists())
    return shutil.disk_usage(existing).free > _FULL_BYTES


def file_system(path: Path, mountinfo: Iterable[str]) -> str:
    """Type of the file system that holds `path`, by the lines of /proc/self/mountinfo."""
    wanted = path.resolve()
    best, kind = -1, "unknown"
    for line in mountinfo:
        before, _, after = line.partition(" - ")
        point = Path(before.split()[4].replace("\\040", " "))
        if (point == wanted or point in wanted.parents) and len(point.parts) >= best:
            best, kind = len(point.parts), after.split()[0]
    return kind
