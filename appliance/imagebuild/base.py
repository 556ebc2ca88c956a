"""Layer 1: Debian with the packages of the cloud's infrastructure, and the users of its services."""

from __future__ import annotations

import os
from pathlib import Path

from imagebuild import debian
from imagebuild.errors import BuildError
from imagebuild.hashing import digest, read_list
from imagebuild.sandbox import Root, Sandbox
from imagebuild.store import remove

# Service users in the order of their ids; the manager's roles rely on the ids.
FIRST_ID = 421
SERVICES = ("keystone", "glance", "placement", "nova", "neutron", "cinder")
# State that the packages' installation made, and that a node has to make for itself.
_NODE_STATE = ("var/lib/mysql", "var/lib/rabbitmq", "etc/ssh", "etc/openvswitch", "var/lib/chrony")


def content_hash(recipe: Path) -> str:
    """Hash of what decides the layer's content."""
    here = Path(__file__).parent
    return digest(
        [
            *read_list(recipe / "base-packages.txt"),
            (here / "base.py").read_bytes(),
            (here / "debian.py").read_bytes(),
        ]
    )


def build(
    sandbox: Sandbox,
    recipe: Path,
    target: Path,
    scratch: Path,
    archives: debian.Archives,
    package_cache: Path,
    log: Path,
) -> None:
    """Make the layer in the empty folder `target`."""
    debian.bootstrap(sandbox, target, read_list(recipe / "base-packages.txt"), archives, package_cache, log)
    _remove_node_state(target)
    _add_users(sandbox, target, scratch, log)


def _remove_node_state(tree: Path) -> None:
    """Leave the folders, with their owners, and drop what belongs to one machine only."""
    for name in _NODE_STATE:
        folder = tree / name
        if not folder.is_dir():
            continue
        for path in folder.iterdir():
            if name == "etc/ssh" and not path.name.startswith("ssh_host_"):
                continue
            remove(path)
    for path in (tree / "etc/ssl").glob("**/ssl-cert-snakeoil*"):
        path.unlink()


def _add_users(sandbox: Sandbox, tree: Path, scratch: Path, log: Path) -> None:
    commands = ["set -eu"]
    for number, name in enumerate(SERVICES, FIRST_ID):
        commands.append(f"groupadd --gid {number} {name}")
        commands.append(
            f"useradd --uid {number} --gid {number} --home-dir /var/lib/{name} --no-create-home "
            f"--shell /usr/sbin/nologin --comment 'OpenStack {name}' {name}"
        )
    status = sandbox.chroot(Root(tree, scratch), ["sh", "-c", "\n".join(commands)], log)
    if status:
        raise BuildError("E_USERS", "Adding the service users failed.", "See the log.", log)
    for number, name in enumerate(SERVICES, FIRST_ID):
        _make_folder(tree / "var/lib" / name, number, number)
        _make_folder(tree / "etc" / name, 0, number)
    for name in ("passwd-", "group-", "shadow-", "gshadow-", "subuid-", "subgid-", ".pwd.lock"):
        remove(tree / "etc" / name)


def _make_folder(path: Path, user: int, group: int) -> None:
    path.mkdir(exist_ok=True)
    path.chmod(0o750)
    os.chown(path, user, group)
