"""The lock names its holder and dies with it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from viaduct.engine.events import LogFile
from viaduct.engine.lock import exclusive, holder_of
from viaduct.errors import StateError

NOW = datetime(2026, 11, 20, 9, 30, tzinfo=UTC)

HOLDER = """
import sys, time
from datetime import UTC, datetime
from pathlib import Path
from viaduct.engine.lock import exclusive
with exclusive(Path(sys.argv[1]), "up", datetime(2026, 11, 20, 9, 30, tzinfo=UTC)):
    print("held", flush=True)
    time.sleep(60)
"""


def test_second_run_is_told_who_holds_it_until_it_dies(tmp_path: Path) -> None:
    path = tmp_path / "run" / "c.lock"
    holder = subprocess.Popen([sys.executable, "-c", HOLDER, str(path)], stdout=subprocess.PIPE, text=True)
    try:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(StateError) as caught, exclusive(path, "down", NOW):
            pass
        assert f"'up', process {holder.pid}, since 2026-11-20T09:30:00+00:00" in caught.value.sentence
        assert holder_of(path) is not None
    finally:
        os.kill(holder.pid, signal.SIGKILL)
        holder.wait()
    assert holder_of(path) is None
    with exclusive(path, "down", NOW):
        assert str(os.getpid()) in str(holder_of(path))


def test_no_lock_file(tmp_path: Path) -> None:
    assert holder_of(tmp_path / "none.lock") is None


def test_log_file_survives_a_full_disk() -> None:
    LogFile(Path("/dev/full")).note("traceback", "text")
