"""The image is one for all: nothing in it may identify or open one machine."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Sequence
from pathlib import Path

# Paths (globs below a layer) that hold one machine's identity or keys.
_FORBIDDEN = (
    "etc/ssh/ssh_host_*",
    "root/.ssh/*",
    "root/.netrc",
    "root/.erlang.cookie",
    "var/lib/rabbitmq/.erlang.cookie",
    "var/lib/rabbitmq/mnesia",
    "var/lib/mysql/*",
    "etc/ssl/**/ssl-cert-snakeoil*",
    "var/lib/systemd/random-seed",
    "var/lib/dbus/machine-id",
    "etc/openvswitch/conf.db",
    "etc/openvswitch/system-id.conf",
    "etc/apt/auth.conf",
    "etc/apt/auth.conf.d/*",
    "etc/apt/sources.list.d/*",
    "etc/apt/apt.conf.d/99mmdebstrap",
    "etc/pip.conf",
)
_PRIVATE_KEY = re.compile(rb"-----BEGIN (?:[A-Z]+ )?PRIVATE KEY-----\s+[A-Za-z0-9+/=\s]{64,}")
_PASSWORD_FIELD = re.compile(r"^[^:]*:\$")
_KEY_FOLDERS = ("etc", "root", "home", "var/lib", "usr/share/viaduct", "opt/openstack/etc")


def problems(layers: Sequence[Path], words: Iterable[str] = ()) -> list[str]:
    """What in `layers` would make images of different machines differ, or let somebody in; empty if nothing.

    `words` are strings of this machine (mirror addresses) that no configuration file may hold.
    """
    found = []
    needles = [word.encode() for word in words if word]
    for layer in layers:
        for pattern in _FORBIDDEN:
            found += [f"{path} must not be in the image" for path in sorted(layer.glob(pattern))]
        found += _machine_id(layer)
        found += _passwords(layer)
        for path in _small_files(layer):
            data = path.read_bytes()
            if _PRIVATE_KEY.search(data):
                found.append(f"{path} holds a private key")
            found += [f"{path} names {word.decode()}" for word in needles if word in data]
    return found


def _machine_id(layer: Path) -> list[str]:
    path = layer / "etc/machine-id"
    if path.is_file() and path.read_text().strip():
        return [f"{path} is not empty"]
    return []


def _passwords(layer: Path) -> list[str]:
    path = layer / "etc/shadow"
    if not path.is_file():
        return []
    return [
        f"{path} gives {line.split(':')[0]} a password"
        for line in path.read_text().splitlines()
        if _PASSWORD_FIELD.match(line) or line.split(":")[1] == ""
    ]


def _small_files(layer: Path) -> Iterable[Path]:
    """Files in which configuration and keys lie; large files are data."""
    for top in _KEY_FOLDERS:
        for folder, _folders, files in os.walk(layer / top):
            for name in files:
                path = Path(folder, name)
                if path.is_file() and not path.is_symlink() and path.stat().st_size < 1 << 18:
                    yield path
