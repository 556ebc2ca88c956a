"""The flavors that a new cloud offers."""

from __future__ import annotations

from typing import Any

from viaduct.model.tenancy import FlavorSize

DEFAULTS = {
    "m1.tiny": FlavorSize(1, 512, 1),
    "m1.small": FlavorSize(1, 2048, 20),
    "m1.medium": FlavorSize(2, 4096, 40),
    "m1.large": FlavorSize(4, 8192, 80),
}


def ensure(connection: Any) -> tuple[str, ...]:
    """Make the public flavors that are missing; names of those made. Existing ones are left as they are."""
    present = {f.name for f in connection.compute.flavors(is_public=None)}
    missing = tuple(n for n in DEFAULTS if n not in present)
    for name in missing:
        create(connection, name, DEFAULTS[name], public=True)
    return missing


def create(connection: Any, name: str, size: FlavorSize, *, public: bool) -> str:
    """Make a flavor; its id."""
    made = connection.compute.create_flavor(
        name=name, vcpus=size.cpus, ram=size.memory_mb, disk=size.disk_gb, is_public=public
    )
    return str(made.id)
