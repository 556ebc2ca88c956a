"""Runs a script with the appliance's own Python and OpenStack, on a throw-away overlay of the image."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
from collections.abc import Sequence
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


def enter(
    image: Path, command: Sequence[str], folder: Path, exchange: Path, timeout: float, **environment: str
) -> subprocess.CompletedProcess[str]:
    """Run a command in a mount namespace of its own, chrooted into a throw-away overlay of the image.

    ``folder`` is seen inside as ``/mnt``, ``exchange`` as ``/srv``. The namespace, and with it every mount and
    process, ends with the command.
    """
    for name in ("upper", "work", "root"):
        (exchange / ".overlay" / name).mkdir(parents=True, exist_ok=True)
    overlay = exchange / ".overlay"
    root = overlay / "root"
    lower = ":".join(str(layer) for layer in reversed(layers(image)))
    script = "\n".join(
        (
            "set -e",
            f"mount -t overlay oracle -o lowerdir={lower},upperdir={overlay}/upper,workdir={overlay}/work {root}",
            f"mount -t proc proc {root}/proc",
            f"mount --rbind /dev {root}/dev",
            f"mount -t tmpfs tmp {root}/tmp",
            f"mount --bind {shlex.quote(str(folder))} {root}/mnt",
            f"mount --bind {shlex.quote(str(exchange))} {root}/srv",
            f"exec chroot {root} {shlex.join(command)}",
        )
    )
    alone = ["unshare", "--mount", "--propagation", "private", "--kill-child", "--pid", "--fork"]
    return subprocess.run(
        [*alone, "bash", "-c", script],
        capture_output=True,
        text=True,
        timeout=timeout,
        env={"PATH": os.environ["PATH"], "PYTHONDONTWRITEBYTECODE": "1", "LANG": "C.UTF-8", **environment},
        check=False,
    )


def run_inside(
    image: Path, script: str, settings: dict[str, Any], exchange: Path, timeout: float = 300
) -> Outcome:
    """Run ``inside/<script>`` with the appliance's Python; it reads ``settings`` and prints its steps."""
    exchange.mkdir(parents=True, exist_ok=True)
    (exchange / "settings.json").write_text(json.dumps({**settings, "exchange": "/srv"}))
    done = enter(image, [PYTHON, f"/mnt/{script}", "/srv/settings.json"], INSIDE, exchange, timeout)
    steps = {}
    for line in done.stdout.splitlines():
        if line.startswith('{"step"'):
            raw = json.loads(line)
            steps[raw["step"]] = Step(raw["step"], raw["ok"], raw["seconds"], raw["text"])
    return Outcome(steps, done.returncode, done.stderr[-6000:])
