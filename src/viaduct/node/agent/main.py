"""The agent's entry: ``apply`` the state in the archive, or tell the node's ``status``."""

from __future__ import annotations

import argparse
import io
import json
import os
import shutil
import sys
import tarfile
from pathlib import Path

from .files import Content, same, update_files
from .output import Failed, Pulse, emit
from .records import Manifest, Node, units
from .redaction import redact, secrets
from .units import enable, not_up, restart_others, suspects
from .waves import run_wave

EXIT_FAILED = 1
EXIT_BUSY = 3


def apply(node: Node, manifest: Manifest, content: Content) -> None:
    """Everything, in order. Raises Failed."""
    if not troubles(node, manifest["digest"]):
        emit({"event": "unchanged"})
        return
    node.set_digest(None)
    changed = update_files(node, manifest, content)
    emit({"event": "files", "changed": changed, "total": len(manifest["files"])})
    running = [u["name"] for u in units(manifest) if u["running"]]
    enable(running)
    restart_others(node, {u["name"] for u in units(manifest)})
    pulse = Pulse()
    try:
        for wave in manifest["waves"]:
            run_wave(node, wave, running, pulse)
    except Failed as failure:
        if failure.part not in running:
            failure.detail = f"{failure.detail}\n{suspects(running, failure.part)}".strip()
        raise
    node.own(manifest["files"], units(manifest))
    node.set_digest(manifest["digest"])


def troubles(node: Node, wanted: str | None = None) -> list[str]:
    """Why the node is not in the state last applied, or in the one whose digest is ``wanted``.

    Empty if it is.
    """
    digest = node.digest()
    if digest is None:
        return ["no state has been applied whole"]
    if wanted is not None and digest != wanted:
        return ["another state was applied"]
    if node.pending():
        return ["a restart is due"]
    former = node.former()
    changed = [f"{f['path']} was changed" for f in former["files"] if not same(node.path(f["path"]), f)]
    names = [u["name"] for u in former["units"] if u["running"]]
    return [*changed, *(f"{name} is not running" for name in not_up(names))]


def apply_archive(node: Node, archive: bytes) -> int:
    """Apply the state in an archive, alone on this node; the exit status."""
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar, node.locked() as alone:
        if not alone:
            emit({"event": "busy"})
            return EXIT_BUSY

        def member(name: str) -> bytes:
            file = tar.extractfile(name)
            assert file is not None
            return file.read()

        def content(sha256: str) -> bytes:
            return member(f"content/{sha256}")

        manifest = json.loads(member("manifest.json"))
        try:
            apply(node, manifest, content)
        except Failed as failure:
            hidden = secrets(manifest, content)
            emit({key: redact(value, hidden) for key, value in failure.event().items()})
            return EXIT_FAILED
        emit({"event": "done"})
    return 0


def main(arguments: list[str], archive: bytes) -> int:
    """The exit status."""
    parser = argparse.ArgumentParser(prog="viaduct-agent")
    parser.add_argument("action", choices=("apply", "status"))
    parser.add_argument("--root", type=Path, default=Path("/"))
    options = parser.parse_args(arguments)
    if shutil.which("systemctl") is None:
        print("there is no systemctl: this is not a node", file=sys.stderr)
        return EXIT_FAILED
    os.umask(0o022)
    node = Node(options.root)
    if options.action == "apply":
        return apply_archive(node, archive)
    problems = troubles(node)
    emit({"event": "status", "digest": None if problems else node.digest(), "problems": problems})
    return 0


def start(arguments: list[str], archive: bytes) -> None:
    """Run and end this process. A manager that has gone ends the run too."""
    try:
        sys.exit(main(arguments, archive))
    except BrokenPipeError:
        os._exit(EXIT_FAILED)
