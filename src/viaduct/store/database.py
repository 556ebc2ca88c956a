"""Opening the database: pragmas, migrations, and errors that a person understands."""

from __future__ import annotations

import fcntl
import os
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, create_engine, event, inspect, text
from sqlalchemy.exc import DatabaseError, SQLAlchemyError

from viaduct.errors import StateError
from viaduct.store.migrations import HEAD

_LEAST_FREE_BYTES = 64 << 10
"""Below this SQLite can no longer write its log, whatever it says."""


class Database:
    """One SQLite file, migrated to the newest schema when opened. Raises :class:`StateError`."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._engine = create_engine(f"sqlite:///{path}", connect_args={"timeout": 15})
        event.listen(self._engine, "connect", _on_connect)
        with self.transaction() as connection:
            version = _version(connection)
        if version != HEAD:
            self._migrate(version)

    @contextmanager
    def transaction(self) -> Iterator[Connection]:
        """A transaction that is durable when the block ends. Raises :class:`StateError`."""
        try:
            with self._engine.begin() as connection:
                yield connection
        except SQLAlchemyError as error:
            raise _state_error(self.path, error) from None

    def close(self) -> None:
        """Let go of the file."""
        self._engine.dispose()

    def _migrate(self, version: str | None) -> None:
        # Alembic takes a second to import: only when there is something to do.
        from viaduct.store.migrate import known_versions, upgrade

        if version is not None and version not in known_versions():
            raise StateError(
                f"{self.path} was written by a newer Viaduct (schema {version}).",
                "Use that version of Viaduct, or another state directory (--state).",
            )
        # Two processes that find the same old schema take turns; for the second it is a no-op.
        with self.path.with_name(f"{self.path.name}.migration").open("w") as turn:
            fcntl.flock(turn, fcntl.LOCK_EX)
            try:
                upgrade(self._engine)
            except SQLAlchemyError as error:
                raise _state_error(self.path, error) from None


def _version(connection: Connection) -> str | None:
    if not inspect(connection).has_table("alembic_version"):
        return None
    return connection.execute(text("SELECT version_num FROM alembic_version")).scalar()


def _on_connect(connection: Any, record: Any) -> None:
    del record
    if isinstance(connection, sqlite3.Connection):
        # FULL: a record of a cloud must survive a power cut, else its VMs would seem foreign.
        for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON"):
            connection.execute(f"PRAGMA {pragma}")


def _state_error(path: Path, error: SQLAlchemyError) -> StateError:
    # SQLite's own words are vague ("unable to open database file", "disk I/O error"): look at the disk, too.
    reason = str(error.orig) if isinstance(error, DatabaseError) else type(error).__name__
    if ("disk" in reason and "full" in reason) or not _has_room(path.parent):
        reason = "the disk is full"
        remedy = "Free some space on its file system, then run the same command again."
    elif not os.access(path.parent, os.W_OK):
        reason = f"{path.parent} is read-only, or not yours"
        remedy = "Run as root, or choose another state directory (--state DIR)."
    elif "malformed" in reason or "not a database" in reason:
        remedy = f"Move {path} away, or use another state directory (--state)."
    else:
        remedy = "Check the state directory's file system, space and mode."
    return StateError(f"The manager's database {path} cannot be used: {reason}.", remedy)


def _has_room(directory: Path) -> bool:
    try:
        return shutil.disk_usage(directory).free >= _LEAST_FREE_BYTES
    except OSError:
        return True
