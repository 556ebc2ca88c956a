"""Where layers, images and caches lie below the state directory, and how they get there whole.

A layer is built in a folder named `.tmp-*` and renamed when complete, so that a folder with a layer's
name always holds a whole layer. The lock keeps a second build waiting; whoever holds it knows that
every `.tmp-*` folder is a dead build's leftover.
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

_TEMPORARY = ".tmp-"


class Store:
    """The folders of one state directory. Paths are absolute."""

    def __init__(self, state: Path) -> None:
        self.state = state
        self.images = state / "images"
        self.layers = self.images / "layers"
        self.cache = state / "cache"
        self.logs = state / "log" / "image"

    @contextmanager
    def locked(self, waiting: Callable[[], None]) -> Iterator[None]:
        """Hold the builders' lock; calls `waiting` once when another build holds it."""
        self.state.mkdir(parents=True, exist_ok=True, mode=0o700)
        for folder in (self.layers, self.cache, self.logs):
            folder.mkdir(parents=True, exist_ok=True)
        with (self.images / ".lock").open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                waiting()
                fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def packages_as_of(self) -> str:
        """When newer Debian packages were last asked for; empty if never. Part of the trees' hashes."""
        path = self.images / "packages-as-of"
        return path.read_text().strip() if path.is_file() else ""

    def refresh_packages(self, moment: str) -> None:
        """Make the next build take the mirror's packages anew."""
        (self.images / "packages-as-of").write_text(f"{moment}\n")

    def leftovers(self) -> list[Path]:
        """What dead builds left behind. Only meaningful under the lock."""
        return [
            path
            for folder in (self.images, self.layers, self.cache)
            for path in sorted(folder.glob(f"{_TEMPORARY}*"))
        ]

    def clear_leftovers(self, builder: Path) -> None:
        """Remove what dead builds left behind, and build trees other than `builder`."""
        stale = [path for path in self.cache.glob("builder-*") if path != builder]
        for path in (*self.leftovers(), *stale):
            remove(path)

    def layer(self, name: str, content: str) -> Path:
        """The folder of a layer with the content hash `content`, whether it exists or not."""
        return self.layers / f"{name}-{content}"

    def temporary(self, folder: Path, name: str) -> Path:
        """A new empty folder beside the final place of `name`."""
        path = folder / f"{_TEMPORARY}{name}"
        remove(path)
        path.mkdir(parents=True)
        path.chmod(0o755)
        return path

    def commit(self, temporary: Path, final: Path) -> None:
        """Make a complete folder durable and give it its final name."""
        subprocess.run(["sync", "-f", str(temporary)], check=True)
        os.rename(temporary, final)

    def fresh_log(self, name: str) -> Path:
        """An empty log file for one step."""
        path = self.logs / f"{name}.log"
        path.write_bytes(b"")
        return path

    def publish(self, image_id: str, manifest: dict[str, Any]) -> Path:
        """Write an image's manifest and make it the current image; returns the image's folder."""
        final = self.images / image_id
        if not (final / "manifest.json").is_file():
            temporary = self.temporary(self.images, image_id)
            (temporary / "manifest.json").write_text(json.dumps(manifest, indent=2) + "\n")
            remove(final)
            self.commit(temporary, final)
        link = self.images / "current"
        if not link.is_symlink() or os.readlink(link) != image_id:
            staged = self.images / f"{_TEMPORARY}current"
            staged.unlink(missing_ok=True)
            staged.symlink_to(image_id)
            os.rename(staged, link)
        return final


def remove(path: Path) -> None:
    """Remove a file, a link or a whole folder, if it is there."""
    if path.is_symlink() or path.is_file():
        path.unlink()
    elif path.exists():
        shutil.rmtree(path)
