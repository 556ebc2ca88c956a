"""What the command line asks of whoever wires the adapters (:mod:`viaduct.app`)."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from viaduct.engine.events import Sink
    from viaduct.engine.redact import Redactor
    from viaduct.engine.run import Run
    from viaduct.model.cloud import CloudSpec
    from viaduct.model.event import Event
    from viaduct.model.record import CloudRecord, RunRecord
    from viaduct.planning.request import SpecRequest
    from viaduct.services.ports import CloudRecords
    from viaduct.services.tools import CloudTools
    from viaduct.services.up import LocalParts


class Application(Protocol):
    """Everything behind the commands, made lazily: nothing is opened before it is asked for."""

    @property
    def state_dir(self) -> Path: ...

    @property
    def verbose(self) -> bool: ...

    @property
    def redactor(self) -> Redactor:
        """Masks the secrets that were met so far."""

    @property
    def log_file(self) -> Path | None:
        """The log of the latest run of this process."""

    @property
    def records(self) -> CloudRecords: ...

    @property
    def parts(self) -> LocalParts: ...

    def run(self, cloud: str, command: str, sink: Sink) -> AbstractContextManager[Run]:
        """A run that holds the cloud's lock. Raises :class:`viaduct.errors.StateError`."""

    def connect(self, site_file: Path, lab: bool, name: str) -> CloudTools:
        """Read the site file and log in to its vCenter."""

    def cloud_dir(self, name: str) -> Path: ...

    def load_request(self, spec_file: Path | None) -> SpecRequest: ...

    def dump_spec(self, spec: CloudSpec, *, portable: bool) -> str: ...

    def login_of(self, site_file: Path) -> tuple[str, str, str]:
        """The vCenter's URL, user, and in words where its password is."""

    def lock_holders(self) -> tuple[str, ...]:
        """Runs under way in this state directory, in words."""

    def latest_runs(self, limit: int) -> tuple[RunRecord, ...]: ...

    def events_of(self, run: str) -> tuple[Event, ...]: ...

    def note_crash(self, text: str) -> Path | None:
        """Write a traceback to a log file and tell which."""

    def close(self) -> None: ...


Factory = Callable[[Path | None, bool], Application]
"""Makes the application from ``--state`` and ``--verbose``."""


def choose_cloud(records: CloudRecords, name: str | None) -> CloudRecord:
    """The cloud that is meant: the named one, or the only one. Raises :class:`viaduct.errors.InputError`."""
    from viaduct.errors import InputError

    known = records.all()
    if name is not None:
        for record in known:
            if record.name == name:
                return record
        names = ", ".join(record.name for record in known) or "none yet"
        raise InputError(f"There is no cloud '{name}' in this state directory.", f"Known: {names}.")
    if not known:
        raise InputError("There is no cloud yet.", "Deploy one with './viaduct up'.")
    if len(known) > 1:
        names = ", ".join(record.name for record in known)
        raise InputError("There are several clouds.", f"Say which with --name: {names}.")
    return known[0]
