"""The image that the verification uploads, a VMDK disk with known bytes; and comparing such disks.

Made and compared with qemu-img: an implementation of VMDK that is neither ours nor VMware's.
"""

from __future__ import annotations

import random
import subprocess
from pathlib import Path

from viaduct.errors import PreflightError

MIB = 1 << 20
DISK_SIZE = 16 * MIB
_SEED = 20261120

# Offset and length of the parts that are not zero: the beginning, an odd place that crosses grains and
# grain tables, and the very end.
_PARTS = ((0, MIB), (5 * MIB + 512, 300 * 1024), (DISK_SIZE - 4096, 4096))

PROPERTIES = {
    "vmware_disktype": "streamOptimized",
    "vmware_adaptertype": "lsiLogic",
    "vmware_ostype": "otherLinux64Guest",
    "hw_vif_model": "VirtualVmxnet3",
}
"""What Nova and Cinder must know of the image to use it on vSphere."""


def make_raw(path: Path) -> None:
    """Write the disk's bytes: random, and the same every time."""
    source = random.Random(_SEED)
    with path.open("wb") as file:
        file.truncate(DISK_SIZE)
        for offset, length in _PARTS:
            file.seek(offset)
            file.write(source.randbytes(length))


def make_vmdk(raw: Path, path: Path) -> None:
    """Write the disk ``raw`` as a streamOptimized VMDK. Raises PreflightError without qemu-img."""
    options = "subformat=streamOptimized,adapter_type=lsilogic"
    done = _qemu_img("convert", "-f", "raw", "-O", "vmdk", "-o", options, str(raw), str(path))
    if done.returncode:
        raise _unusable(done)


def difference(raw: Path, vmdk: Path) -> str:
    """How the disk in a VMDK file differs from ``raw``; empty when it has the same bytes.

    A longer disk with nothing but zeros behind the end of ``raw`` has the same bytes: volumes are whole GiB.
    """
    done = _qemu_img("compare", "-f", "raw", "-F", "vmdk", str(raw), str(vmdk))
    if done.returncode == 0:
        return ""
    said = [line for line in (done.stdout + done.stderr).splitlines() if "size mismatch" not in line]
    return "; ".join(said) or f"qemu-img compare ended with status {done.returncode}"


def _qemu_img(*arguments: str) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(
            ["qemu-img", *arguments], capture_output=True, text=True, timeout=300, check=False
        )
    except FileNotFoundError as problem:
        raise PreflightError(
            (
                (
                    "The verification needs the program qemu-img, which this machine does not have.",
                    "Install it: apt-get install qemu-utils",
                ),
            )
        ) from problem


def _unusable(done: subprocess.CompletedProcess[str]) -> PreflightError:
    return PreflightError(
        (
            (
                f"qemu-img cannot make the verification's image: {done.stderr.strip()}",
                "Check that the temporary directory has some MiB free.",
            ),
        )
    )
