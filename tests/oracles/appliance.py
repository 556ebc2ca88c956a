"""Runs a script with the appliance's own Python and OpenStack, on a throw-away overlay of the image."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

INSIDE = Path(__file__).parent / "inside"
PYTHON = "/opt/openstack/bin/python"


@dataclass(frozen=True)
class Step:
    """One step's outcome as the script inside printed it."""

    name: str
    ok: bool
    seconds: float
    text: str


@dataclass(frozen=True)
class Outcome:
    """All steps of a script, by name, and what it wrote besides."""

    steps: dict[str, Step]
    exit_status: int
    stderr: str


def layers(image: Path) -> list[Path]:
    """The image's overlay layers, bottom to top."""
    manifest = json.loads((image / "manifest.json").read_text())
    return [(image / layer).resolve() for layer in manifest["layers"]]


def run_inside(
    image: Path, script: str, settings: dict[str, Any], exchange: Path, timeout: float = 300
) -> Outcome:
    """Run ``inside/<script>`` in a mount namespace of its own; ``exchange`` is seen inside as ``/srv``.

    The namespace, and with it every mount, ends with the script.
    """
    for name in ("upper", "work", "root"):
        (exchange / ".overlay" / name).mkdir(parents=True, exist_ok=True)
    (exchange / "settings.json").write_text(json.dumps({**settings, "exchange": "/srv"}))
    root = exchange / ".overlay" / "root"
    lower = ":".join(str(layer) for layer in reversed(layers(image)))
    overlay = exchange / ".overlay"
    commands = "\n".join(
        (
            "set -e",
            f"mount -t overlay oracle -o lowerdir={lower},upperdir={overlay}/upper,workdir={overlay}/work {root}",
            f"mount -t proc proc {root}/proc",
            f"mount --rbind /dev {root}/dev",
            f"mount -t tmpfs tmp {root}/tmp",
            f"mount --bind {shlex.quote(str(INSIDE))} {root}/mnt",
            f"mount --bind {shlex.quote(str(exchange))} {root}/srv",
            f"exec chroot {root} {PYTHON} /mnt/{script} /srv/settings.json",
        )
    )
    environment = {"PATH": os.environ["PATH"], "PYTHONDONTWRITEBYTECODE": "1", "LANG": "C.UTF-8"}
    done = subprocess.run(
        [
            "unshare",
            "--mount",
            "--propagation",
            "private",
            "--kill-child",
            "--pid",
            "--fork",
            "bash",
            "-c",
            commands,
        ],
        capture_output=True,
        text=True,
        timeout=timeout,
        env=environment,
        check=False,
    )
    steps = {}
    for line in done.stdout.splitlines():
        if line.startswith('{"step"'):
            raw = json.loads(line)
            steps[raw["step"]] = Step(raw["step"], raw["ok"], raw["seconds"], raw["text"])
    return Outcome(steps, done.returncode, done.stderr[-6000:])
