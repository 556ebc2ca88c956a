"""The tables as they are now; :mod:`viaduct.store.migrations` makes them so."""

from __future__ import annotations

from sqlalchemy import (
    JSON,
    Boolean,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
)

metadata = MetaData()

runs = Table(
    "runs",
    metadata,
    Column("id", String(40), primary_key=True),
    Column("cloud", String(64), nullable=False),
    Column("command", String(200), nullable=False),
    Column("state", String(16), nullable=False),
    Column("pid", Integer, nullable=False),
    Column("started_at", String(40), nullable=False),
    Column("ended_at", String(40)),
    Column("error", Text, nullable=False, default=""),
)

steps = Table(
    "steps",
    metadata,
    Column("run", ForeignKey("runs.id", ondelete="CASCADE"), primary_key=True),
    Column("position", Integer, primary_key=True),
    Column("step", String(120), nullable=False),
    Column("title", String(200), nullable=False),
    Column("state", String(16), nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("updated_at", String(40), nullable=False),
    Column("error", Text, nullable=False, default=""),
)

events = Table(
    "events",
    metadata,
    Column("sequence", Integer, primary_key=True, autoincrement=True),
    Column("run", ForeignKey("runs.id", ondelete="CASCADE"), nullable=False),
    Column("at", String(40), nullable=False),
    Column("kind", String(32), nullable=False),
    Column("step", String(120), nullable=False),
    Column("title", String(200), nullable=False),
    Column("text", Text, nullable=False),
    Column("seconds", Float, nullable=False),
    Column("position", Integer, nullable=False),
    Column("total", Integer, nullable=False),
    Index("events_by_run", "run", "sequence"),
)

clouds = Table(
    "clouds",
    metadata,
    Column("name", String(64), primary_key=True),
    Column("spec", JSON, nullable=False),
    Column("site_file", Text, nullable=False),
    Column("lab", Boolean, nullable=False),
    Column("registered", String(64)),
    Column("verified", String(64)),
)
