"""Layer 3: every database's schema, migrated once and dumped."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from imagebuild.errors import BuildError
from imagebuild.hashing import digest
from imagebuild.sandbox import Root, Sandbox

FOLDER = "usr/share/viaduct/schemas"


def content_hash(parent: str) -> str:
    """Hash of what decides the layer's content; `parent` is the OpenStack layer's hash."""
    here = Path(__file__).parent
    names = ("schemas.py", "migrate.py", "migrate_nova.py")
    return digest([parent, *((here / name).read_bytes() for name in names)])


def build(sandbox: Sandbox, layers: Sequence[Path], target: Path, scratch: Path, log: Path) -> None:
    """Migrate inside `layers` (builder and OpenStack) and put the dumps below `target`."""
    here = Path(__file__).parent
    output = target / FOLDER
    output.mkdir(parents=True)
    binds = [
        (str(here / "migrate.py"), "/run/build/migrate.py"),
        (str(here / "migrate_nova.py"), "/run/build/migrate_nova.py"),
        (str(output), "/run/build/output"),
    ]
    script = (
        "ip link set lo up\n"
        "exec /usr/bin/python3 /run/build/migrate.py /run/build/migrate_nova.py /run/build/output"
    )
    root = Root(scratch / "upper", scratch, tuple(layers))
    if sandbox.chroot(root, ["sh", "-euc", script], log, binds=binds):
        raise BuildError("E_SCHEMAS", "Migrating the database schemas failed.", "See the log.", log)


def revisions(layer: Path) -> dict[str, Any]:
    """Alembic's heads by database, as the layer's dumps have them."""
    found: dict[str, Any] = json.loads((layer / FOLDER / "revisions.json").read_text())
    return found
