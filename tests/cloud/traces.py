"""What a lab may leave on a machine: processes, mounts, namespaces, cgroups, network interfaces, files."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path


def processes(state: Path) -> list[str]:
    """Command lines that name the state directory, other than this test's own ancestors."""
    ours = set()
    pid = os.getpid()
    while pid > 1:
        ours.add(pid)
        pid = int(Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[1])
    found = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit() or int(entry.name) in ours:
            continue
        try:
            command = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if f"{state}/" in command:
            found.append(f"{entry.name} {command[:200]}")
    return found


def mounts(state: Path) -> list[str]:
    """Mount points under the state directory, in any process's view."""
    found = set()
    for entry in Path("/proc").glob("[0-9]*/mountinfo"):
        try:
            text = entry.read_text()
        except OSError:
            continue
        found.update(line for line in text.splitlines() if f"{state}/" in line)
    return sorted(found)


def namespaces() -> set[str]:
    """Named network namespaces of labs."""
    listed = subprocess.run(["ip", "-j", "netns"], capture_output=True, text=True, check=True).stdout
    return {n["name"] for n in json.loads(listed or "[]") if n["name"].startswith("viaduct-")}


def interfaces() -> set[str]:
    """Network interfaces in this machine's own namespace."""
    return set(os.listdir("/sys/class/net"))


def cgroups() -> set[str]:
    """Control groups of labs."""
    return {str(path) for path in Path("/sys/fs/cgroup").glob("*/viaduct-*")} | {
        str(path) for path in Path("/sys/fs/cgroup").glob("viaduct-*")
    }
