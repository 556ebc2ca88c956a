"""Alembic's entry: runs migrations on the connection that :mod:`viaduct.store.migrate` hands over."""

from __future__ import annotations

from alembic import context

from viaduct.store.tables import metadata

context.configure(connection=context.config.attributes["connection"], target_metadata=metadata)
with context.begin_transaction():
    context.run_migrations()
