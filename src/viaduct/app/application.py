"""The application behind the command line: everything made lazily, closed at the end."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from viaduct.app.settings import Settings
from viaduct.engine.events import LogFile, Sink, fan_out, without_progress
from viaduct.engine.lock import exclusive, holder_of
from viaduct.engine.redact import Redactor
from viaduct.engine.run import Run, new_run_id
from viaduct.errors import StateError, ViaductError
from viaduct.model.cloud import CloudSpec
from viaduct.model.event import Event
from viaduct.model.record import RunRecord
from viaduct.planning.request import SpecRequest
from viaduct.services.images import Images
from viaduct.services.lab import Lab
from viaduct.services.machine import Machine
from viaduct.services.tools import CloudTools, Patience
from viaduct.services.up import LocalParts

if TYPE_CHECKING:
    from viaduct.store.clouds import CloudRepository
    from viaduct.store.database import Database


class ViaductApplication:
    """Implements :class:`viaduct.cli.application.Application`."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._open = ExitStack()
        self.redactor = Redactor()
        self.log_file: Path | None = None

    @property
    def state_dir(self) -> Path:
        return self._settings.state_dir

    @property
    def verbose(self) -> bool:
        return self._settings.verbose

    @cached_property
    def records(self) -> CloudRepository:
        from viaduct.store.clouds import CloudRepository

        return CloudRepository(self._database)

    @cached_property
    def parts(self) -> LocalParts:
        home, state_dir = self._settings.home, self._settings.state_dir
        return LocalParts(Machine(home, state_dir), Images(home, state_dir), Lab(state_dir))

    @contextmanager
    def run(self, cloud: str, command: str, sink: Sink) -> Iterator[Run]:
        from viaduct.store.journal import StoredJournal

        now = datetime.now(UTC)
        journal = StoredJournal(self._database)
        with exclusive(self._settings.run_dir / f"{cloud}.lock", command, now):
            journal.runs.abandon(cloud, now)
            run_id = new_run_id(now)
            log = LogFile(self._settings.log_dir / f"{run_id}.jsonl")
            self.log_file = log.path
            sinks = fan_out(log, without_progress(journal.event), sink)
            run = Run(cloud, command, journal, sinks, redact=self.redactor, id=run_id)
            with _library_warnings(log, self.redactor), _details(log, self.redactor), run:
                yield run

    def connect(self, site_file: Path, lab: bool, name: str) -> CloudTools:
        from viaduct.app.adapters import cloud_tools
        from viaduct.documents.site import load_site

        site = load_site(site_file)
        # The lab's own file, given by hand, is still the lab's: 'down' may find it stopped.
        lab = lab or site_file.resolve() == self.parts.lab.site_file.resolve()
        self.redactor.add([site.vcenter.password])
        tools = cloud_tools(
            name,
            site,
            site_file.absolute(),
            self.cloud_dir(name),
            self.records,
            Patience(
                boot=self._settings.boot_timeout,
                look=min(self._settings.boot_timeout, Patience.look),
            ),
            lab=lab,
        )
        self._open.callback(tools.vsphere.close)
        self._open.callback(tools.transport.close)
        return tools

    def cloud_dir(self, name: str) -> Path:
        return self._settings.cloud_dir(name)

    def load_request(self, spec_file: Path | None) -> SpecRequest:
        if spec_file is None:
            return SpecRequest()
        from viaduct.documents.spec import load_spec

        return load_spec(spec_file)

    def dump_spec(self, spec: CloudSpec, *, portable: bool) -> str:
        from viaduct.documents.spec import dump_spec

        return dump_spec(spec, portable=portable)

    def login_of(self, site_file: Path) -> tuple[str, str, str]:
        from viaduct.documents.site import load_site, password_source

        vcenter = load_site(site_file).vcenter
        port = "" if vcenter.port == 443 else f":{vcenter.port}"
        return f"https://{vcenter.host}{port}/", vcenter.username, password_source(site_file)

    def lock_holders(self) -> tuple[str, ...]:
        files = sorted(self._settings.run_dir.glob("*.lock"))
        return tuple(holder for file in files if (holder := holder_of(file)))

    def latest_runs(self, limit: int) -> tuple[RunRecord, ...]:
        from viaduct.store.journal import RunRepository

        def true_state(run: RunRecord) -> RunRecord:
            # A process that was killed could not write its end; its lock died with it.
            alive = holder_of(self._settings.run_dir / f"{run.cloud}.lock") is not None
            return run if run.state != "running" or alive else replace(run, state="interrupted")

        return tuple(true_state(run) for run in RunRepository(self._database).latest(limit))

    def events_of(self, run: str) -> tuple[Event, ...]:
        from viaduct.store.journal import EventRepository

        return EventRepository(self._database).of(run)

    def note_crash(self, text: str) -> Path | None:
        path = self.log_file or self._settings.log_dir / f"crash-{datetime.now(UTC):%Y%m%d-%H%M%S}.jsonl"
        LogFile(path).note("traceback", text)
        return path if path.exists() else None

    def close(self) -> None:
        self._open.close()

    @cached_property
    def _database(self) -> Database:
        from viaduct.store.database import Database

        try:
            self._settings.state_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise StateError(
                f"The state directory {self._settings.state_dir} cannot be made: {error.strerror}.",
                "Run as root, or choose another one with --state DIR.",
            ) from None
        database = Database(self._settings.database)
        self._open.callback(database.close)
        return database


@contextmanager
def _library_warnings(log: LogFile, redact: Redactor) -> Iterator[None]:
    """Put warnings of libraries into the run's log instead of between the lines of progress."""

    class Handler(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            log.note(f"log-{record.levelname.lower()}", redact(f"{record.name}: {record.getMessage()}"))

    handler = Handler(logging.WARNING)
    root = logging.getLogger()
    root.addHandler(handler)
    try:
        yield
    finally:
        root.removeHandler(handler)


@contextmanager
def _details(log: LogFile, redact: Redactor) -> Iterator[None]:
    """Keep the whole of a failure in the run's log."""
    try:
        yield
    except ViaductError as error:
        log.note("error", redact(f"{error.code} {error.sentence}\n{error.remedy}\n{error.detail}"))
        raise
