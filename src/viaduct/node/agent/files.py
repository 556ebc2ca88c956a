"""Files: what differs is written, what is no longer wanted is removed."""

from __future__ import annotations

import grp
import hashlib
import os
import pwd
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from .commands import run
from .output import Failed
from .records import Manifest, Node, units, write_file

UNIT_DIRECTORY = "/etc/systemd/system/"

Content = Callable[[str], bytes]
"""The content whose SHA-256 is given."""


def owner_ids(owner: str, group: str) -> tuple[int, int] | None:
    """Numeric owner and group; None when not root, who alone may give files away.

    Raises KeyError if unknown.
    """
    if os.geteuid() != 0:
        return None
    return pwd.getpwnam(owner).pw_uid, grp.getgrnam(group).gr_gid


def same(path: Path, wanted: Mapping[str, Any]) -> bool:
    """Whether a file has the wanted content, owner and mode."""
    try:
        if path.is_symlink() or not path.is_file():
            return False
        status = path.stat()
        ids = owner_ids(wanted["owner"], wanted["group"])
        return (
            status.st_mode & 0o7777 == wanted["mode"]
            and (ids is None or (status.st_uid, status.st_gid) == ids)
            and hashlib.sha256(path.read_bytes()).hexdigest() == wanted["sha256"]
        )
    except (OSError, KeyError):
        return False


def units_of_path(path: str) -> set[str]:
    """The unit that a unit file or a drop-in of its directory belongs to."""
    if not path.startswith(UNIT_DIRECTORY):
        return set()
    return {path.removeprefix(UNIT_DIRECTORY).split("/")[0].removesuffix(".d")}


def update_files(node: Node, manifest: Manifest, content: Content) -> int:
    """Make the files as wanted; how many were not. Raises Failed.

    What is ours and what must be restarted is noted before anything changes; units that are no longer wanted
    are stopped before their files go.
    """
    changed = [f for f in manifest["files"] if not same(node.path(f["path"]), f)]
    former = node.former()
    wanted = {f["path"] for f in manifest["files"]}
    gone = [f for f in former["files"] if f["path"] not in wanted]
    named = {u["name"] for u in units(manifest)}
    retired = [u for u in former["units"] if u["name"] not in named]
    node.own(manifest["files"] + gone, units(manifest) + retired)
    pending = node.pending()
    for file in changed:
        pending |= set(file["restarts"]) | units_of_path(file["path"])
    node.set_pending(pending)
    if retired:
        run(["systemctl", "disable", "--now", *(u["name"] for u in retired)])
    try:
        make_directories(node, manifest["files"])
    except (OSError, KeyError) as error:
        raise Failed("files", "directories", f"a directory cannot be made: {error}") from error
    for file in changed:
        _write(node, file, content)
    for file in gone:
        node.path(file["path"]).unlink(missing_ok=True)
    if any(f["path"].startswith(UNIT_DIRECTORY) for f in (*changed, *gone)):
        run(["systemctl", "daemon-reload"])
    return len(changed) + len(gone)


def make_directories(node: Node, files: list[dict[str, Any]]) -> None:
    """Make the directories that files need and that are not there.

    A directory of protected files only, all of one group, is protected as they are.
    """
    inside: dict[str, set[str]] = {}
    for file in files:
        kind = "" if file["mode"] & 0o004 else file["group"]
        for parent in Path(file["path"]).parents:
            inside.setdefault(str(parent), set()).add(kind)
    for directory, groups in sorted(inside.items()):
        path = node.path(directory)
        if path.is_dir():
            continue
        group = groups.pop() if len(groups) == 1 else ""
        path.mkdir(mode=0o750 if group else 0o755)
        ids = owner_ids("root", group) if group else None
        if ids is not None:
            os.chown(path, *ids)


def _write(node: Node, file: Mapping[str, Any], content: Content) -> None:
    try:
        ids = owner_ids(file["owner"], file["group"])
    except KeyError as error:
        text = f"{file['path']} cannot be given to {file['owner']}:{file['group']}: {error.args[0]}"
        raise Failed("files", file["path"], text) from error
    try:
        write_file(node.path(file["path"]), content(file["sha256"]), file["mode"], ids)
    except OSError as error:
        raise Failed("files", file["path"], f"{file['path']} cannot be written: {error}") from error
