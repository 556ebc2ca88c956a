"""What is sent to a node: the agent, a manifest of the wanted state, and the contents of its files."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import shlex
import tarfile
from collections.abc import Mapping
from importlib import resources
from typing import Any

from viaduct.model.node_state import File, NodeState, Wave

MODULES = ("output", "commands", "records", "units", "files", "waves", "redaction", "main")
"""The agent's modules, each after those that it imports."""

BOOTSTRAP = """\
import io, sys, tarfile, types
data = sys.stdin.buffer.read()
tar = tarfile.open(fileobj=io.BytesIO(data))
package = sys.modules["agent"] = types.ModuleType("agent")
package.__path__ = []
for name in tar.extractfile("agent/modules").read().decode().split():
    module = sys.modules["agent." + name] = types.ModuleType("agent." + name)
    source = tar.extractfile("agent/" + name + ".py").read()
    exec(compile(source, "viaduct-agent/" + name + ".py", "exec"), module.__dict__)
sys.modules["agent.main"].start(sys.argv[1:], data)
"""
"""Python that runs the agent out of the archive on standard input.

One command, and nothing is left behind on the node.
"""


def command(*arguments: str, python: str = "/usr/bin/python3") -> str:
    """The shell command that runs the agent with ``arguments``; its standard input is an archive."""
    return f"exec {shlex.join((python, '-I', '-c', BOOTSTRAP, *arguments))}"


def agent_archive() -> bytes:
    """An archive with nothing but the agent."""
    return _pack(_agent())


def state_archive(state: NodeState) -> bytes:
    """The archive of a state: equal states give equal bytes."""
    contents = {f"content/{_sha256(file)}": file.content for file in state.files}
    manifest = json.dumps(_manifest(state), sort_keys=True).encode()
    return _pack({**_agent(), "manifest.json": manifest, **contents})


def _agent() -> dict[str, bytes]:
    sources = resources.files("viaduct.node.agent")
    members = {f"agent/{name}.py": sources.joinpath(f"{name}.py").read_bytes() for name in MODULES}
    return {**members, "agent/modules": " ".join(MODULES).encode()}


def _sha256(file: File) -> str:
    return hashlib.sha256(file.content).hexdigest()


def _manifest(state: NodeState) -> dict[str, Any]:
    return {
        "node": state.node,
        "digest": state.digest(),
        "files": [
            {
                "path": file.path,
                "sha256": _sha256(file),
                "owner": file.owner,
                "group": file.group,
                "mode": file.mode,
                "restarts": list(file.restarts),
            }
            for file in state.files
        ],
        "waves": [_wave(wave) for wave in state.waves],
    }


def _wave(wave: Wave) -> dict[str, Any]:
    return {
        "name": wave.name,
        "units": [{"name": u.name, "running": u.running} for u in wave.units],
        "one_shots": [
            {"name": o.name, "command": o.command, "probe": o.probe, "timeout": o.timeout}
            for o in wave.one_shots
        ],
        "checks": [{"name": c.name, "command": c.command, "timeout": c.timeout} for c in wave.checks],
    }


def _pack(members: Mapping[str, bytes]) -> bytes:
    tar_bytes = io.BytesIO()
    with tarfile.open(fileobj=tar_bytes, mode="w") as tar:
        for name, content in sorted(members.items()):
            info = tarfile.TarInfo(name)
            info.size = len(content)
            info.mode = 0o600
            tar.addfile(info, io.BytesIO(content))
    return gzip.compress(tar_bytes.getvalue(), compresslevel=6, mtime=0)
