"""The database: what is written is read back, migrations, and being killed in the midst of it."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

import fakes
from viaduct.errors import StateError
from viaduct.model.event import Event, EventKind
from viaduct.model.plan import Step
from viaduct.store.clouds import CloudRepository
from viaduct.store.database import Database
from viaduct.store.journal import KEPT_RUNS, StoredJournal
from viaduct.store.migrate import known_versions
from viaduct.store.migrations import HEAD
from viaduct.store.tables import metadata

NOW = datetime(2026, 11, 20, 9, 30, tzinfo=UTC)


@pytest.fixture
def database(tmp_path: Path) -> Database:
    return Database(tmp_path / "viaduct.db")


def test_clouds(database: Database, tmp_path: Path) -> None:
    clouds = CloudRepository(database)
    spec = fakes.spec(options={"nova.conf": {"DEFAULT": {"debug": "true"}}})
    assert clouds.get("viaduct") is None
    clouds.save(spec, tmp_path / "site.yaml", lab=True)
    clouds.set_registered("viaduct", "r")
    clouds.set_verified("viaduct", "v")
    clouds.save(replace(spec, region="Two"), tmp_path / "other.yaml", lab=False)
    found = clouds.get("viaduct")
    assert found is not None
    assert found.spec == replace(spec, region="Two")
    assert (found.registered, found.verified, found.lab) == ("r", "v", False)
    assert found.site_file == tmp_path / "other.yaml"
    assert clouds.all() == (found,)
    clouds.set_verified("viaduct", None)
    assert clouds.all()[0].verified is None
    clouds.remove("viaduct")
    assert clouds.all() == ()


def test_journal(database: Database) -> None:
    journal = StoredJournal(database)
    step = Step("clone-node", "node1", "Clone node1")
    event = Event(EventKind.STEP_DONE, "r1", NOW, step.id, step.title, "text", 1.5, 2, 3)
    journal.run_started("r1", "c", "up", 42, NOW)
    journal.step_moved("r1", 1, step, "running", 1, "", NOW)
    journal.step_moved("r1", 1, step, "done", 2, "", NOW + timedelta(seconds=1))
    journal.event(event)
    journal.run_ended("r1", "failed", "sentence", NOW + timedelta(seconds=2))
    [run] = journal.runs.latest()
    assert (run.id, run.state, run.error, run.pid) == ("r1", "failed", "sentence", 42)
    assert run.ended_at == NOW + timedelta(seconds=2)
    [kept] = journal.steps.of("r1")
    assert (kept.step, kept.state, kept.attempts) == ("clone-node:node1", "done", 2)
    assert journal.events.of("r1") == (event,)


def test_dead_runs_are_marked_and_old_ones_forgotten(database: Database) -> None:
    journal = StoredJournal(database)
    journal.run_started("r0", "c", "up", 42, NOW)
    journal.run_started("r1", "other", "up", 43, NOW)
    assert journal.runs.abandon("c", NOW) == 1
    states = {run.id: run.state for run in journal.runs.latest()}
    assert states == {"r0": "interrupted", "r1": "running"}
    journal.step_moved("r0", 1, Step("a", "b", "t"), "running", 1, "", NOW)
    with database.transaction() as connection:
        connection.exec_driver_sql("DELETE FROM runs WHERE id = 'r0'")
    assert journal.steps.of("r0") == (), "steps go with their run"
    assert KEPT_RUNS >= 100


def test_migrations_make_the_tables_that_the_code_uses(tmp_path: Path) -> None:
    Database(tmp_path / "a.db").close()
    migrated = sqlite3.connect(tmp_path / "a.db")
    for table in metadata.tables.values():
        columns = {row[1] for row in migrated.execute(f"PRAGMA table_info({table.name})")}
        assert columns == set(table.columns.keys()), table.name
    assert HEAD in known_versions()
    assert migrated.execute("PRAGMA journal_mode").fetchone() == ("wal",)


def test_head_is_the_newest_migration() -> None:
    from alembic.script import ScriptDirectory

    from viaduct.store.migrate import _config

    assert ScriptDirectory.from_config(_config()).get_current_head() == HEAD


def test_opened_again_without_alembic(tmp_path: Path) -> None:
    """Alembic takes a second to import: an up-to-date database must not load it."""
    Database(tmp_path / "a.db").close()
    code = (
        "import sys; from pathlib import Path; from viaduct.store.database import Database;"
        "Database(Path(sys.argv[1])); sys.exit('alembic' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code, str(tmp_path / "a.db")]).returncode == 0


def test_database_of_a_newer_viaduct(database: Database) -> None:
    with database.transaction() as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(StateError, match="newer Viaduct"):
        Database(database.path)


def test_not_a_database(tmp_path: Path) -> None:
    path = tmp_path / "viaduct.db"
    path.write_text("x" * 5000)
    with pytest.raises(StateError) as caught:
        Database(path)
    assert "Move" in caught.value.remedy


WRITER = """
import sys
from datetime import UTC, datetime
from pathlib import Path
from viaduct.model.plan import Step
from viaduct.store.database import Database
from viaduct.store.journal import StoredJournal
journal = StoredJournal(Database(Path(sys.argv[1])))
now = datetime.now(UTC)
journal.run_started("r", "c", "up", 1, now)
for n in range(100000):
    journal.step_moved("r", n, Step("a", str(n), "t"), "done", 1, "", now)
    print(n, flush=True)
"""


def test_killed_while_writing(tmp_path: Path) -> None:
    path = tmp_path / "viaduct.db"
    writer = subprocess.Popen([sys.executable, "-c", WRITER, str(path)], stdout=subprocess.PIPE, text=True)
    assert writer.stdout is not None
    for _ in range(20):
        last = int(writer.stdout.readline())
    time.sleep(0.01)
    os.kill(writer.pid, signal.SIGKILL)
    rest = writer.stdout.read().split()
    writer.wait()
    promised = int(rest[-1]) if rest else last
    steps = StoredJournal(Database(path)).steps.of("r")
    assert [s.position for s in steps] == list(range(len(steps)))
    assert len(steps) > promised, "what was told to be written is there"
