"""Named network namespaces and the links in them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from viaduct_lab.host.commands import CommandError, run, succeeds

_NAMESPACES = Path("/run/netns")


def path(name: str) -> Path:
    """File that stands for the namespace ``name``."""
    return _NAMESPACES / name


def enter(name: str) -> tuple[str, ...]:
    """Command prefix that runs a program in namespace ``name``.

    Only the network changes: ``ip netns exec`` would also hide /sys/fs/cgroup behind a new sysfs.
    """
    return ("nsenter", f"--net={path(name)}", "--")


def exists(name: str) -> bool:
    """Whether ``name`` is a live namespace (a file that a dead mount left behind is not)."""
    return path(name).exists() and succeeds("ip", "-n", name, "link", "show", "lo")


def create(name: str) -> None:
    """Make the namespace ``name`` anew if it is not there. Raises :class:`CommandError`."""
    if exists(name):
        return
    if path(name).exists():
        delete(name)
    run("ip", "netns", "add", name)
    run("ip", "-n", name, "link", "set", "lo", "up")


def delete(name: str) -> None:
    """Remove the namespace ``name``; not being there is fine."""
    if not path(name).exists():
        return
    try:
        run("ip", "netns", "delete", name)
    except CommandError:
        path(name).unlink(missing_ok=True)


def names(prefix: str) -> tuple[str, ...]:
    """Names of the namespaces of this machine that start with ``prefix``."""
    if not _NAMESPACES.is_dir():
        return ()
    return tuple(sorted(p.name for p in _NAMESPACES.iterdir() if p.name.startswith(prefix)))


def links(name: str | None) -> dict[str, dict[str, Any]]:
    """Links by interface name with their addresses, as ``ip -j addr`` says (``None``: the machine's own)."""
    where = ("-n", name) if name else ()
    return {
        link["ifname"]: link for link in json.loads(run("ip", *where, "-j", "addr", "show") or "[]") if link
    }


def has_address(link: dict[str, Any], cidr: str) -> bool:
    """Whether a link of :func:`links` carries ``cidr`` (``10.0.0.1/24``)."""
    return any(f"{a.get('local')}/{a.get('prefixlen')}" == cidr for a in link.get("addr_info", ()))
