"""How a guest is booted: the command lines, as data."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

REBOOT_STATUS = 133
"""nspawn's exit status (with --keep-unit) when the guest asked for a reboot."""

ENVIRONMENT = {
    "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "SYSTEMD_NSPAWN_UNIFIED_HIERARCHY": "1",
    "SYSTEMD_NSPAWN_API_VFS_WRITABLE": "network",
    # Two launchers of one guest are kept apart by our own lock; nspawn's is lost when it alone is killed.
    "SYSTEMD_NSPAWN_LOCK": "0",
}

# Runs inside the new namespaces, in the guest's folder. Arguments: number of lower layers, control groups,
# "--", nspawn's command line. Layers and overlay directories are reached through short symbolic links (l/0
# is the lowest): mount options are limited to a page, and a comma or colon in a path would end an option.
SCRIPT = """\
set -eu
layers=$1; shift
while [ "$1" != -- ]; do echo 0 >"$1/cgroup.procs"; shift; done; shift
lower=l/0; i=1
while [ "$i" -lt "$layers" ]; do lower=l/$i:$lower; i=$((i + 1)); done
mount -t overlay -o "lowerdir=$lower,upperdir=u,workdir=w,index=off,metacopy=off" overlay root
mount -t tmpfs -o mode=755 tmpfs /run
echo ready
read -r _
exec "$@" </dev/null >&2
"""


@dataclass(frozen=True)
class Container:
    """What nspawn is told. ``binds``: source, path inside, writable."""

    vm_id: str
    uuid: str
    root: Path
    binds: tuple[tuple[Path, str, bool], ...]
    init_arguments: tuple[str, ...] = ()


def namespaces_command() -> tuple[str, ...]:
    """Prefix that runs a command in namespaces of its own, all of which end with it."""
    return (
        "unshare", "--net", "--pid", "--mount", "--uts", "--ipc", "--fork", "--kill-child=SIGKILL",
        "--mount-proc", "--propagation", "private", "--",
    )  # fmt: skip


def nspawn_command(container: Container) -> tuple[str, ...]:
    """nspawn's command line: boots without the machine's systemd, in the caller's network namespace."""
    options = [
        "systemd-nspawn", "--quiet", "--boot", "--settings=no",
        f"--machine={machine_name(container.vm_id)}", "--hostname=localhost", f"--directory={container.root}",
        "--register=no", "--keep-unit", "--link-journal=no", "--resolv-conf=off", "--timezone=off",
        "--capability=CAP_NET_ADMIN", "--console=read-only", "--kill-signal=SIGRTMIN+4",
    ]  # fmt: skip
    if container.uuid:
        options.append(f"--uuid={container.uuid}")
    for source, inside, writable in container.binds:
        options.append(f"--bind{'' if writable else '-ro'}={_escaped(str(source))}:{_escaped(inside)}")
    return (*options, *container.init_arguments)


def boot_command(container: Container, layers: int, cgroups: tuple[str, ...]) -> tuple[str, ...]:
    """The whole command of one boot."""
    shell = ("sh", "-c", SCRIPT, "guest", str(layers), *cgroups, "--")
    return (*namespaces_command(), *shell, *nspawn_command(container))


def machine_name(vm_id: str) -> str:
    """``vm_id`` as a container name: letters, digits and hyphens."""
    return "".join(c if c.isascii() and c.isalnum() else "-" for c in vm_id).strip("-")[:60] or "guest"


def _escaped(path: str) -> str:
    return path.replace("\\", "\\\\").replace(":", "\\:")
