"""The clouds that this manager deployed."""

from __future__ import annotations

from ipaddress import IPv4Address
from pathlib import Path
from typing import Any

from sqlalchemy import delete, select, update
from sqlalchemy.dialects.sqlite import insert

from viaduct.model.cloud import CloudSpec, Node
from viaduct.model.record import CloudRecord
from viaduct.store.database import Database
from viaduct.store.tables import clouds


class CloudRepository:
    """The table of clouds."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def get(self, name: str) -> CloudRecord | None:
        """The cloud called ``name``."""
        with self._database.transaction() as connection:
            row = connection.execute(select(clouds).where(clouds.c.name == name)).one_or_none()
        return _record(dict(row._mapping)) if row else None

    def all(self) -> tuple[CloudRecord, ...]:
        """All clouds by name."""
        with self._database.transaction() as connection:
            rows = connection.execute(select(clouds).order_by(clouds.c.name)).all()
        return tuple(_record(dict(row._mapping)) for row in rows)

    def save(self, spec: CloudSpec, site_file: Path, *, lab: bool) -> None:
        """Remember a cloud before the first of it is made; keeps its digests."""
        values = {"spec": _dump(spec), "site_file": str(site_file), "lab": lab}
        statement = insert(clouds).values(name=spec.name, **values)
        with self._database.transaction() as connection:
            connection.execute(statement.on_conflict_do_update(index_elements=["name"], set_=values))

    def set_registered(self, name: str, digest: str) -> None:
        """The catalog of this digest is registered."""
        self._set(name, "registered", digest)

    def set_verified(self, name: str, digest: str | None) -> None:
        """The cloud of this digest passed its verification (None: it failed one)."""
        self._set(name, "verified", digest)

    def remove(self, name: str) -> None:
        """Forget a cloud."""
        with self._database.transaction() as connection:
            connection.execute(delete(clouds).where(clouds.c.name == name))

    def _set(self, name: str, column: str, digest: str | None) -> None:
        with self._database.transaction() as connection:
            connection.execute(update(clouds).where(clouds.c.name == name).values({column: digest}))


def _record(row: dict[str, Any]) -> CloudRecord:
    return CloudRecord(
        name=row["name"],
        spec=_load(row["spec"]),
        site_file=Path(row["site_file"]),
        lab=bool(row["lab"]),
        registered=row["registered"],
        verified=row["verified"],
    )


def _dump(spec: CloudSpec) -> dict[str, Any]:
    return {
        "name": spec.name,
        "mode": spec.mode,
        "region": spec.region,
        "public_address": str(spec.public_address),
        "internal_address": str(spec.internal_address),
        "options": {f: {s: dict(o) for s, o in v.items()} for f, v in spec.options.items()},
        "nodes": [
            {
                "name": node.name,
                "roles": list(node.roles),
                "cpus": node.cpus,
                "memory_mb": node.memory_mb,
                "management_address": str(node.management_address),
                "external_address": str(node.external_address),
            }
            for node in spec.nodes
        ],
    }


def _load(raw: dict[str, Any]) -> CloudSpec:
    return CloudSpec(
        name=raw["name"],
        mode=raw["mode"],
        region=raw["region"],
        public_address=IPv4Address(raw["public_address"]),
        internal_address=IPv4Address(raw["internal_address"]),
        options=raw["options"],
        nodes=tuple(
            Node(
                name=node["name"],
                roles=tuple(node["roles"]),
                cpus=node["cpus"],
                memory_mb=node["memory_mb"],
                management_address=IPv4Address(node["management_address"]),
                external_address=IPv4Address(node["external_address"]),
            )
            for node in raw["nodes"]
        ),
    )
