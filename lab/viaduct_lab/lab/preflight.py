"""What the machine must have: probed by doing it, never by looking for a version or a file."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

import viaduct_lab
from viaduct_lab.host.commands import CommandError, run, succeeds
from viaduct_lab.lab.errors import DiskFull, KernelUnfit, LabError, NotRoot, StateUnfit, ToolsMissing

PACKAGE_OF_TOOL = {
    "systemd-nspawn": "systemd-container",
    "ovs-vswitchd": "openvswitch-switch",
    "ovs-vsctl": "openvswitch-switch",
    "ovsdb-server": "openvswitch-switch",
    "ovsdb-tool": "openvswitch-switch",
    "ip": "iproute2",
    "ethtool": "ethtool",
    "qemu-img": "qemu-utils",
    "nft": "nftables",
    "unshare": "util-linux",
    "nsenter": "util-linux",
}
_LEAST_FREE_BYTES = 4 << 30
_SOCKET_PATH_LIMIT = 107
_PROBE_SECONDS = 20


def required_packages() -> tuple[str, ...]:
    """Debian packages that the lab needs (``lab/host-packages.txt``)."""
    listed = Path(viaduct_lab.__file__).parent.parent / "host-packages.txt"
    return tuple(line for line in listed.read_text().splitlines() if line and not line.startswith("#"))


def missing_packages() -> tuple[str, ...]:
    """Debian packages whose programs are not on this machine."""
    path = f"{os.environ.get('PATH', '')}:/usr/local/sbin:/usr/sbin:/sbin"
    return tuple(
        sorted({package for tool, package in PACKAGE_OF_TOOL.items() if not shutil.which(tool, path=path)})
    )


def require_machine() -> None:
    """Raise the :class:`LabError` of the first thing that this machine lacks for guests."""
    if os.geteuid() != 0:
        raise NotRoot(
            "The lab needs root: it makes namespaces, mounts and network interfaces.",
            "Run it as root, or start it with --no-guests: then VMs are simulated only.",
        )
    missing = missing_packages()
    if missing:
        raise ToolsMissing(
            f"Programs that the lab runs are not installed; their packages: {', '.join(missing)}.",
            f"apt-get install --no-install-recommends {' '.join(missing)}",
        )
    for command, what in _KERNEL_PROBES:
        if not succeeds(*command, timeout=_PROBE_SECONDS):
            raise KernelUnfit(
                f"The kernel refuses {what}.",
                "Use a machine whose kernel has it (any stock Debian or Ubuntu kernel does); in a container, "
                "run it privileged.",
            )


def require_state(directory: Path, *, guests: bool) -> None:
    """Raise the :class:`LabError` of what is wrong with ``directory`` as a lab's home. It must exist."""
    free = shutil.disk_usage(directory).free
    if free < _LEAST_FREE_BYTES:
        raise DiskFull(
            f"Only {free / 1e9:.1f} GB are free where {directory} lies; "
            f"the lab needs {_LEAST_FREE_BYTES / 1e9:.1f} GB.",
            "Free some space, or choose a state directory on a larger disk.",
        )
    socket = directory / "vcenter" / "control.sock"
    if len(os.fsencode(socket)) > _SOCKET_PATH_LIMIT:
        raise StateUnfit(
            f"The path {directory} is too long for the sockets in it.",
            "Choose a state directory with a shorter path.",
        )
    if not guests:
        return
    if directory.resolve().is_relative_to("/run"):
        raise StateUnfit(
            f"{directory} lies under /run, which guests do not see.", "Choose a directory on a disk."
        )
    problem = overlay_problem(directory)
    if problem is not None:
        raise problem


def overlay_problem(directory: Path) -> LabError | None:
    """Try to mount an overlay whose upper layer lies in ``directory``; what went wrong, or None."""
    with tempfile.TemporaryDirectory(prefix=".probe-", dir=directory) as probe:
        for name in ("lower", "upper", "work", "root"):
            (Path(probe) / name).mkdir()
        # An overlay that cannot keep whiteouts or attributes mounts well and fails later: delete a file too.
        (Path(probe) / "lower" / "file").touch()
        options = "lowerdir=lower,upperdir=upper,workdir=work"
        script = f'cd "$0" && mount -t overlay -o {options} overlay root && rm root/file'
        try:
            run("unshare", "--mount", "sh", "-c", script, probe, timeout=_PROBE_SECONDS)
        except CommandError as error:
            reason = error.reason
        else:
            return None
    if "overlay" not in Path("/proc/filesystems").read_text():
        return KernelUnfit(
            "The kernel has no overlay file system.",
            "Load it (modprobe overlay), or use another kernel.",
        )
    return StateUnfit(
        f"{directory} cannot hold a guest's files: an overlay on it fails ({reason}).",
        "Choose a state directory on ext4, XFS or btrfs; inside a container, on a volume.",
    )


_KERNEL_PROBES: tuple[tuple[tuple[str, ...], str], ...] = (
    (
        ("unshare", "--net", "--pid", "--mount", "--uts", "--ipc", "--fork", "--mount-proc", "true"),
        "namespaces (unshare)",
    ),
    (
        ("unshare", "--net", "ip", "link", "add", "probe0", "type", "veth", "peer", "name", "probe1"),
        "veth interfaces",
    ),
    (
        ("unshare", "--net", "ip", "tuntap", "add", "dev", "probe0", "mode", "tap"),
        "tap interfaces (/dev/net/tun)",
    ),
)
