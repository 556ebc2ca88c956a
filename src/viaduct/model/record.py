"""What the manager remembers: runs, their steps, and the clouds it deployed."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from viaduct.model.cloud import CloudSpec


@dataclass(frozen=True)
class RunRecord:
    """One command that changes something. ``state`` is running, done, failed or interrupted."""

    id: str
    cloud: str
    command: str
    state: str
    pid: int
    started_at: datetime
    ended_at: datetime | None = None
    error: str = ""


@dataclass(frozen=True)
class StepRecord:
    """A step of a run. ``state`` is pending, running, retrying, done, failed or undone."""

    run: str
    position: int
    step: str
    title: str
    state: str
    attempts: int
    updated_at: datetime
    error: str = ""


@dataclass(frozen=True)
class CloudRecord:
    """A cloud that this manager deployed. ``lab``: on the embedded lab. Digests as in ``Observed``."""

    name: str
    spec: CloudSpec
    site_file: Path
    lab: bool
    registered: str | None = None
    verified: str | None = None
