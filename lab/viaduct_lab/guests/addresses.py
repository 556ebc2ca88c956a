"""Addresses of a guest, read from its network namespace."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

from viaduct_lab.host.commands import CommandError, run


def parse(text: str) -> dict[str, tuple[str, ...]]:
    """MAC -> addresses with prefix length, from ``ip -j addr``; IPv4 first, loopback left out."""
    result: dict[str, tuple[str, ...]] = {}
    for link in json.loads(text or "[]"):
        if not link or link.get("link_type") != "ether":
            continue
        found = [a for a in link.get("addr_info", ()) if "local" in a]
        found.sort(key=lambda a: (a.get("family") != "inet", a.get("scope") != "global"))
        result[link["address"].lower()] = tuple(f"{a['local']}/{a['prefixlen']}" for a in found)
    return result


def read(init: int) -> tuple[str, dict[str, tuple[str, ...]]]:
    """Host name and addresses of the guest whose pid 1 is ``init``; empty when it is gone.

    Enters only the network and host name namespaces: the tools are the machine's own.
    """
    script = "hostname; exec ip -j addr show"
    try:
        text = run("nsenter", "-t", str(init), "-n", "-u", "--", "sh", "-c", script, timeout=5)
    except CommandError:
        return "", {}
    hostname, _, rest = text.partition("\n")
    return hostname.strip(), parse(rest)


def fingerprint(init: int) -> str:
    """A cheap digest of the addresses of the guest whose pid 1 is ``init``: no process is started."""
    digest = hashlib.sha256()
    for name in ("fib_trie", "if_inet6"):
        try:
            digest.update(Path(f"/proc/{init}/net/{name}").read_bytes())
        except OSError:
            digest.update(b"-")
    return digest.hexdigest()
