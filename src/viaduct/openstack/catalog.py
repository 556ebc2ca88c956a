"""The catalog as the cloud's nodes registered it: whether it is whole, and what older clients look for."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from viaduct.errors import CloudError

REQUIRED = ("identity", "image", "placement", "compute", "network", "block-storage")
INTERFACES = ("public", "internal", "admin")

LEGACY_VOLUME_TYPE, LEGACY_VOLUME_NAME = "volumev3", "cinderv3"
"""Under which clients before the official service types (old Terraform providers) look for Cinder."""


def missing(services: Iterable[Any], endpoints: Iterable[Any]) -> tuple[str, ...]:
    """Required ``type/interface`` pairs that have no endpoint."""
    types = {s.id: s.type for s in services}
    present = {(types.get(e.service_id), e.interface) for e in endpoints}
    return tuple(f"{t}/{i}" for t in REQUIRED for i in INTERFACES if (t, i) not in present)


def check(connection: Any) -> None:
    """Raises CloudError naming what the catalog lacks."""
    lacking = missing(connection.identity.services(), connection.identity.endpoints())
    if lacking:
        raise CloudError(
            f"The cloud's catalog lacks the endpoints {', '.join(lacking)}.",
            "The node's identity step registers them: run the same command again to apply the node's state.",
        )


def ensure_legacy_volume(connection: Any) -> bool:
    """Offer Cinder's endpoints under its older type, too; True when something had to be changed."""
    services = list(connection.identity.services())
    endpoints = list(connection.identity.endpoints())
    cinder = next(s for s in services if s.type == "block-storage")
    legacy = next((s for s in services if s.type == LEGACY_VOLUME_TYPE), None)
    changed = legacy is None
    if legacy is None:
        legacy = connection.identity.create_service(name=LEGACY_VOLUME_NAME, type=LEGACY_VOLUME_TYPE)
    present = {(e.region_id, e.interface): e for e in endpoints if e.service_id == legacy.id}
    for endpoint in (e for e in endpoints if e.service_id == cinder.id):
        same = present.get((endpoint.region_id, endpoint.interface))
        if same is None:
            connection.identity.create_endpoint(
                service_id=legacy.id,
                interface=endpoint.interface,
                region_id=endpoint.region_id,
                url=endpoint.url,
            )
            changed = True
        elif same.url != endpoint.url:
            connection.identity.update_endpoint(same, url=endpoint.url)
            changed = True
    return changed
