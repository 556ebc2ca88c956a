"""The database: one row a managed object. What a client has been told survives kill -9."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from viaduct_lab.vcenter.core.managed_object import ManagedObject

_SCHEMA = """
CREATE TABLE IF NOT EXISTS object (moid TEXT PRIMARY KEY, kind TEXT NOT NULL, state TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS meta (key TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS event (key INTEGER PRIMARY KEY, body TEXT NOT NULL);
"""
_FORMAT = 1
_FIRST_NUMBER = 1001


class Store:
    """Keeps marked objects until :meth:`flush` writes them in one transaction.

    SQLite in WAL mode with ``synchronous=NORMAL``: a committed transaction survives the death of the process
    (not necessarily that of the machine, which a lab need not survive without a scratch).
    """

    def __init__(self, path: Path) -> None:
        self._db = sqlite3.connect(path, isolation_level=None)
        self._db.execute("PRAGMA journal_mode=WAL")
        self._db.execute("PRAGMA synchronous=NORMAL")
        self._check_format(path)
        self._db.executescript(_SCHEMA)
        self._dirty: dict[str, ManagedObject] = {}
        self._gone: set[str] = set()
        self._meta: dict[str, str] = {}
        self._events: list[tuple[int, str]] = []
        self._events_below = 0
        self._number = int(self.meta("next_number") or _FIRST_NUMBER)

    def _check_format(self, path: Path) -> None:
        (version,) = self._db.execute("PRAGMA user_version").fetchone()
        if version not in (0, _FORMAT):
            raise ValueError(f"{path} has format {version}; this program reads {_FORMAT}")
        self._db.execute(f"PRAGMA user_version = {_FORMAT}")

    # objects --------------------------------------------------------------------------------

    def objects(self) -> Iterator[tuple[str, str, dict[str, Any]]]:
        """All saved objects as (moid, kind, state), in the order in which they were first written."""
        rows = self._db.execute("SELECT moid, kind, state FROM object ORDER BY rowid")
        for moid, kind, state in rows.fetchall():
            yield moid, kind, json.loads(state)

    def mark(self, obj: ManagedObject) -> None:
        """Have ``obj`` written at the next flush."""
        self._dirty[obj.moid] = obj
        self._gone.discard(obj.moid)

    def forget(self, moid: str) -> None:
        """Have the object's row deleted at the next flush."""
        self._dirty.pop(moid, None)
        self._gone.add(moid)

    # numbers and small values ---------------------------------------------------------------

    def next_number(self) -> int:
        """A number that was never given out before."""
        number = self._number
        self._number += 1
        self._meta["next_number"] = str(self._number)
        return number

    def meta(self, key: str) -> str | None:
        """A small value kept under ``key``."""
        if key in self._meta:
            return self._meta[key]
        row = self._db.execute("SELECT value FROM meta WHERE key = ?", (key,)).fetchone()
        return None if row is None else str(row[0])

    def set_meta(self, key: str, value: str) -> None:
        """Keep a small value."""
        self._meta[key] = value

    # events ---------------------------------------------------------------------------------

    def append_event(self, key: int, body: str) -> None:
        """Keep an event."""
        self._events.append((key, body))

    def drop_events_below(self, key: int) -> None:
        """Forget events with a smaller key."""
        self._events_below = max(self._events_below, key)

    def events(self) -> list[tuple[int, str]]:
        """All kept events, oldest first."""
        return self._db.execute("SELECT key, body FROM event ORDER BY key").fetchall()

    # transactions ---------------------------------------------------------------------------

    def flush(self) -> None:
        """Write all that has been marked, in one transaction.

        An object that cannot be saved (a programming mistake) keeps its earlier row and does not hold up the
        others; its exception is raised when these are written.
        """
        if not (self._dirty or self._gone or self._meta or self._events):
            return
        rows, broken = self._rows()
        db = self._db
        db.execute("BEGIN IMMEDIATE")
        try:
            self._write(rows)
            db.execute("COMMIT")
        except BaseException:
            db.execute("ROLLBACK")
            raise
        self._dirty, self._gone, self._meta, self._events = {}, set(), {}, []
        self._events_below = 0
        if broken is not None:
            raise broken

    def _rows(self) -> tuple[list[tuple[str, str, str]], Exception | None]:
        rows: list[tuple[str, str, str]] = []
        broken: Exception | None = None
        for obj in self._dirty.values():
            try:
                rows.append((obj.moid, obj.type_name, json.dumps(obj.save(), separators=(",", ":"))))
            except Exception as error:
                error.add_note(f"while saving {obj}")
                broken = error
        return rows, broken

    def _write(self, rows: list[tuple[str, str, str]]) -> None:
        db = self._db
        db.executemany("DELETE FROM object WHERE moid = ?", [(moid,) for moid in self._gone])
        db.executemany(
            "INSERT INTO object VALUES (?, ?, ?) ON CONFLICT (moid) DO UPDATE SET state = excluded.state",
            rows,
        )
        db.executemany("INSERT OR REPLACE INTO meta VALUES (?, ?)", list(self._meta.items()))
        db.executemany("INSERT OR REPLACE INTO event VALUES (?, ?)", self._events)
        if self._events_below:
            db.execute("DELETE FROM event WHERE key < ?", (self._events_below,))

    def close(self) -> None:
        """Write what is left and close the database."""
        self.flush()
        self._db.close()
