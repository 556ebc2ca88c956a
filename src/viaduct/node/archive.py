"""What is sent to a node: the agent, a manifest of the wanted state, and the contents of its files."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import tarfile
from collections.abc import Mapping
from importlib import resources
from typing import Any

from viaduct.model.node_state import File, NodeState, Wave

BOOTSTRAP = (
    "import io,sys,tarfile;"
    "data=sys.stdin.buffer.read();"
    "source=tarfile.open(fileobj=io.BytesIO(data)).extractfile('agent.py').read();"
    "exec(compile(source,'viaduct-agent','exec'),{'__name__':'__main__','ARCHIVE':data})"
)
"""Python that runs the agent out of the archive on standard input: one command, nothing left behind."""


def command(action: str) -> str:
    """The shell command for ``action`` of the agent; its standard input is an archive."""
    return f'exec /usr/bin/python3 -I -c "{BOOTSTRAP}" {action}'


def agent_archive() -> bytes:
    """An archive with nothing but the agent."""
    return _pack({"agent.py": _agent()})


def state_archive(state: NodeState) -> bytes:
    """The archive of a state: equal states give equal bytes."""
    contents = {f"content/{_sha256(file)}": file.content for file in state.files}
    manifest = json.dumps(_manifest(state), sort_keys=True).encode()
    return _pack({"agent.py": _agent(), "manifest.json": manifest, **contents})


def _agent() -> bytes:
    return resources.files(__package__ or "viaduct.node").joinpath("agent.py").read_bytes()


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
