"""uv, the installer of Python packages: found on the machine or fetched as the repository's lock pins it."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

from imagebuild.errors import BuildError
from imagebuild.hashing import digest
from imagebuild.store import Store, remove


def pinned_version(lock: Path) -> str:
    """uv's version in `requirements/bootstrap.lock`."""
    match = re.search(r"^uv==(\S+)", lock.read_text(), re.MULTILINE)
    if match is None:
        raise BuildError("E_LOCK", f"{lock} does not pin uv.", "Restore the file from the repository.")
    return match[1]


def find_uv(store: Store, lock: Path, log: Path) -> Path:
    """The pinned uv: beside the running Python, in PATH, in an
    environment of the launcher or in the cache, or else downloaded into the cache."""
    version = pinned_version(lock)
    private = store.cache / f"tools-{digest([lock.read_bytes()])}"
    candidates = [
        Path(sys.executable).parent / "uv",
        Path(shutil.which("uv") or "/nonexistent"),
        *sorted(store.state.glob("venv/*/bin/uv")),
        private / "bin/uv",
    ]
    for candidate in candidates:
        if _version(candidate) == version:
            return candidate.resolve()
    return _fetch(private, lock, log)


def _version(uv: Path) -> str:
    if not uv.is_file():
        return ""
    result = subprocess.run([str(uv), "--version"], capture_output=True, text=True)
    words = result.stdout.split()
    return words[1] if result.returncode == 0 and len(words) > 1 else ""


def _fetch(target: Path, lock: Path, log: Path) -> Path:
    remove(target)
    commands = [
        [sys.executable, "-m", "venv", str(target)],
        [str(target / "bin/python"), "-m", "pip", "install", "--quiet", "--require-hashes", "-r", str(lock)],
    ]
    with log.open("ab") as output:
        for command in commands:
            if subprocess.run(command, stdout=output, stderr=output).returncode:
                remove(target)
                raise BuildError(
                    "E_UV",
                    "uv is not on this machine and could not be fetched.",
                    "Check that pip reaches its package index (and that python3-venv is installed).",
                    log,
                )
    return target / "bin/uv"
