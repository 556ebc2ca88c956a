"""Layer 4: our drivers in the OpenStack environment, and how a node starts."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from imagebuild.errors import BuildError
from imagebuild.hashing import digest, tree_digest
from imagebuild.sandbox import Root, Sandbox

# Sockets that would hold a port which the daemon itself has to take, and first-boot steps that this image
# does otherwise.
_MASKED = (
    "mariadb.socket",
    "mariadb-extra.socket",
    "epmd.socket",
    "sshd-keygen.service",
    "systemd-firstboot.service",
    "apt-daily.timer",
    "apt-daily-upgrade.timer",
)


def content_hash(recipe: Path, drivers: Path | None, parent: str) -> str:
    """Hash of what decides the layer's content; `parent` stands for the layers below."""
    return digest(
        [
            parent,
            tree_digest(recipe / "files"),
            tree_digest(drivers) if drivers else "no drivers",
            Path(__file__).read_bytes(),
        ]
    )


def install_drivers(
    sandbox: Sandbox,
    layers: Sequence[Path],
    drivers: Path,
    target: Path,
    scratch: Path,
    uv: Path,
    log: Path,
) -> None:
    """Install the distribution in `drivers` into the environment; changes land in `target`."""
    source = scratch / "drivers"
    ignored = shutil.ignore_patterns("__pycache__", "*.egg-info", "build", "dist", ".*_cache")
    shutil.copytree(drivers, source, ignore=ignored)
    commands = [
        "/run/build/uv pip install --python /opt/openstack/bin/python --offline --no-deps "
        "--no-build-isolation /run/build/drivers",
        "rm -f /opt/openstack/.lock",
        "/opt/openstack/bin/python - <<'END'",
        "import compileall, importlib.metadata",
        "for file in importlib.metadata.files('viaduct-drivers'):",
        "    if file.suffix == '.py':",
        "        compileall.compile_file(file.locate(), quiet=1)",
        "END",
    ]
    env = {"UV_CACHE_DIR": "/tmp/uv", "UV_LINK_MODE": "copy", "UV_NO_CONFIG": "1", "UV_NO_PROGRESS": "1"}
    binds = [(str(uv), "/run/build/uv"), (str(source), "/run/build/drivers")]
    root = Root(target, scratch, tuple(layers))
    if sandbox.chroot(root, ["sh", "-euxc", "\n".join(commands)], log, env=env, binds=binds):
        raise BuildError(
            "E_DRIVERS", "Installing viaduct-drivers failed.", "See the log; `drivers/` must build.", log
        )


def configure(
    sandbox: Sandbox, layers: Sequence[Path], recipe: Path, target: Path, scratch: Path, log: Path
) -> None:
    """Copy the recipe's files and apply the unit presets; changes land in `target`."""
    _copy_files(recipe / "files", target)
    root = Root(target, scratch, tuple(layers))
    commands = [f"systemctl mask {' '.join(_MASKED)}", "systemctl preset-all --preset-mode=full"]
    if sandbox.chroot(root, ["sh", "-euxc", "\n".join(commands)], log):
        raise BuildError("E_UNITS", "Setting the unit presets failed.", "See the log.", log)


def _copy_files(source: Path, target: Path) -> None:
    """Copy a tree, owned by root and readable by all; a file keeps its executable bit."""
    for folder, folders, files in os.walk(source):
        there = target / Path(folder).relative_to(source)
        there.mkdir(exist_ok=True)
        there.chmod(0o755)
        folders.sort()
        for name in files:
            path = Path(folder, name)
            copy = there / name
            shutil.copyfile(path, copy)
            copy.chmod(0o755 if path.stat().st_mode & 0o100 else 0o644)


def describe(target: Path, manifest: dict[str, Any]) -> None:
    """Write what the image is into it."""
    folder = target / "usr/share/viaduct"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "appliance.json").write_text(json.dumps(manifest, indent=2) + "\n")
    # Newer than /usr: tells systemd that the caches it would renew at the first boot are fresh.
    for name in ("etc/.updated", "var/.updated"):
        (target / name).parent.mkdir(exist_ok=True)
        (target / name).write_text("")
