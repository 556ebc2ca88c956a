"""Runs, their steps and their events."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime

from sqlalchemy import Row, desc, insert, select, update
from sqlalchemy.dialects.sqlite import insert as sqlite_insert

from viaduct.model.event import Event, EventKind
from viaduct.model.plan import Step
from viaduct.model.record import RunRecord, StepRecord
from viaduct.store.database import Database
from viaduct.store.tables import events, runs, steps

KEPT_RUNS = 200


class RunRepository:
    """The table of runs."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, run: RunRecord) -> None:
        """Write down a run that begins; forget the oldest."""
        with self._database.transaction() as connection:
            connection.execute(
                insert(runs).values(
                    id=run.id,
                    cloud=run.cloud,
                    command=run.command,
                    state=run.state,
                    pid=run.pid,
                    started_at=run.started_at.isoformat(),
                    error=run.error,
                )
            )
            kept = select(runs.c.id).order_by(desc(runs.c.id)).limit(KEPT_RUNS)
            connection.execute(runs.delete().where(runs.c.id.not_in(kept)))

    def end(self, run: str, state: str, error: str, at: datetime) -> None:
        """Write down how a run ended."""
        with self._database.transaction() as connection:
            connection.execute(
                update(runs).where(runs.c.id == run).values(state=state, error=error, ended_at=at.isoformat())
            )

    def abandon(self, cloud: str, at: datetime) -> int:
        """Mark runs of ``cloud`` that are still ``running`` as interrupted: call it while holding the cloud's
        lock, so that none of them can be alive. Returns how many there were."""
        with self._database.transaction() as connection:
            found = connection.execute(
                update(runs)
                .where(runs.c.cloud == cloud, runs.c.state == "running")
                .values(state="interrupted", error="its process ended", ended_at=at.isoformat())
            )
            return found.rowcount

    def latest(self, limit: int = 10, cloud: str | None = None) -> tuple[RunRecord, ...]:
        """The newest runs, newest first."""
        query = select(runs).order_by(desc(runs.c.id)).limit(limit)
        if cloud is not None:
            query = query.where(runs.c.cloud == cloud)
        with self._database.transaction() as connection:
            return tuple(_run(row) for row in connection.execute(query))


class StepRepository:
    """The table of steps."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def save(self, record: StepRecord) -> None:
        """Insert or overwrite a step of a run."""
        values = {**asdict(record), "updated_at": record.updated_at.isoformat()}
        statement = sqlite_insert(steps).values(values)
        changed = {key: values[key] for key in ("state", "attempts", "updated_at", "error")}
        with self._database.transaction() as connection:
            connection.execute(
                statement.on_conflict_do_update(index_elements=["run", "position"], set_=changed)
            )

    def of(self, run: str) -> tuple[StepRecord, ...]:
        """A run's steps in order."""
        query = select(steps).where(steps.c.run == run).order_by(steps.c.position)
        with self._database.transaction() as connection:
            return tuple(_step(row) for row in connection.execute(query))


class EventRepository:
    """The table of events."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, event: Event) -> None:
        """Append an event."""
        values = {**asdict(event), "at": event.at.isoformat(), "kind": str(event.kind)}
        with self._database.transaction() as connection:
            connection.execute(insert(events).values(values))

    def of(self, run: str) -> tuple[Event, ...]:
        """A run's events in order."""
        query = select(events).where(events.c.run == run).order_by(events.c.sequence)
        with self._database.transaction() as connection:
            return tuple(_event(row) for row in connection.execute(query))


class StoredJournal:
    """The engine's journal, kept in the tables of runs, steps and events."""

    def __init__(self, database: Database) -> None:
        self.runs = RunRepository(database)
        self.steps = StepRepository(database)
        self.events = EventRepository(database)

    def run_started(self, run: str, cloud: str, command: str, pid: int, at: datetime) -> None:
        self.runs.add(RunRecord(run, cloud, command, "running", pid, at))

    def run_ended(self, run: str, state: str, error: str, at: datetime) -> None:
        self.runs.end(run, state, error, at)

    def step_moved(
        self,
        run: str,
        position: int,
        step: Step,
        state: str,
        attempts: int,
        error: str,
        at: datetime,
    ) -> None:
        self.steps.save(StepRecord(run, position, step.id, step.title, state, attempts, at, error))

    def event(self, event: Event) -> None:
        self.events.add(event)


def _run(row: Row[tuple[object, ...]]) -> RunRecord:
    values = dict(row._mapping)
    ended = values["ended_at"]
    values["started_at"] = datetime.fromisoformat(values["started_at"])
    values["ended_at"] = datetime.fromisoformat(ended) if ended else None
    return RunRecord(**values)


def _step(row: Row[tuple[object, ...]]) -> StepRecord:
    values = dict(row._mapping)
    values["updated_at"] = datetime.fromisoformat(values["updated_at"])
    return StepRecord(**values)


def _event(row: Row[tuple[object, ...]]) -> Event:
    values = dict(row._mapping)
    del values["sequence"]
    values["at"] = datetime.fromisoformat(values["at"])
    values["kind"] = EventKind(values["kind"])
    return Event(**values)
