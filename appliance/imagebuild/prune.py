"""Old images: which layers nothing needs any more."""

from __future__ import annotations

import json
from pathlib import Path

from imagebuild.store import Store, remove


def unused(store: Store) -> list[Path]:
    """Layers on which neither the current image nor a virtual machine of a lab stands, and their images.

    A virtual machine's system disk lists its layers, one absolute path a line (`*-system/layers`).
    """
    needed = _layers_of(store.images / "current")
    for listing in store.state.glob("lab/**/*-system/layers"):
        needed |= {Path(line).resolve() for line in listing.read_text().splitlines() if line}
    images = [path.parent for path in store.images.glob("*/manifest.json") if path.parent.name != "current"]
    old_images = sorted(image for image in images if not _layers_of(image) <= needed)
    return [*old_images, *sorted(path for path in store.layers.iterdir() if path.resolve() not in needed)]


def prune(store: Store) -> list[Path]:
    """Remove what is unused; returns it. Only under the store's lock."""
    found = unused(store)
    for path in found:
        remove(path)
    return found


def _layers_of(image: Path) -> set[Path]:
    manifest = image / "manifest.json"
    if not manifest.is_file():
        return set()
    return {(image / layer).resolve() for layer in json.loads(manifest.read_text())["layers"]}
