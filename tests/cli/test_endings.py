"""How each ending of a command is told: in process, with an application that does what the test wants."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from viaduct.cli.live import Live
from viaduct.cli.main import main
from viaduct.cli.progress import Plain, line_of
from viaduct.engine.redact import Redactor
from viaduct.errors import NodeUnreachable, PreflightError, VCenterUntrusted
from viaduct.model.event import Event, EventKind
from viaduct.model.secret import Secret


class Application:
    """Raises what it is told when the first thing is asked of it."""

    verbose = False
    log_file = Path("/state/log/run.jsonl")

    def __init__(self, error: BaseException) -> None:
        self._error = error
        self.redactor = Redactor()
        self.redactor.add([Secret("topsecret")])
        self.crash = ""
        self.closed = False

    @property
    def records(self) -> Any:
        raise self._error

    def note_crash(self, text: str) -> Path:
        self.crash = text
        return self.log_file

    def close(self) -> None:
        self.closed = True


@pytest.fixture(autouse=True)
def handlers() -> Iterator[None]:
    kept = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGHUP)}
    yield
    for number, handler in kept.items():
        signal.signal(number, handler)


@pytest.fixture
def end(capfd: pytest.CaptureFixture[str]) -> Callable[[BaseException], tuple[int, str, Application]]:
    def run(error: BaseException) -> tuple[int, str, Application]:
        application = Application(error)
        status = main(lambda state, verbose: application, ["status"])  # type: ignore[arg-type, return-value]
        return status, capfd.readouterr().err, application

    return run


End = Callable[[BaseException], tuple[int, str, Application]]


def test_error_with_detail(end: End) -> None:
    status, told, application = end(NodeUnreachable("No answer.", "Look.", detail="panic\ntopsecret"))
    assert status == 1
    assert told == (
        "  | panic\n  | ***\nerror NODE-101: No answer.\n  what to do: Look.\n  log: /state/log/run.jsonl\n"
    )
    assert application.closed


def test_all_problems_of_a_preflight(end: End) -> None:
    status, told, _ = end(PreflightError((("One.", "Do one."), ("Two.", "Do two."))))
    assert status == 1
    assert "error PREFLIGHT-001: One.\n  what to do: Do one.\nerror PREFLIGHT-001: Two." in told


def test_untrusted_certificate_shows_its_thumbprint(end: End) -> None:
    _, told, _ = end(VCenterUntrusted("Not trusted.", "Put it into the site file.", "AB:CD"))
    assert "presented thumbprint (SHA-256): AB:CD" in told


@pytest.mark.parametrize("error", [KeyboardInterrupt()])
def test_interrupted(end: End, error: BaseException) -> None:
    status, told, _ = end(error)
    assert status == 130
    assert "run the same command again" in told


def test_defect_of_ours(end: End) -> None:
    status, told, application = end(ZeroDivisionError("topsecret"))
    assert status == 1
    assert "defect of ours" in told
    assert "Traceback" not in told
    assert "log: /state/log/run.jsonl" in told
    assert "Traceback" in application.crash
    assert "topsecret" not in told + application.crash


def test_asked_to_end(end: End) -> None:
    class Asked(Application):
        pass

    status, _, _ = end(KeyboardInterrupt())
    assert status == 130
    with pytest.raises(KeyboardInterrupt):
        signal.raise_signal(signal.SIGTERM)


def event(kind: EventKind, text: str = "", seconds: float = 0.0) -> Event:
    return Event(kind, "r", datetime.now(UTC), "clone:n", "Clone node1", text, seconds, 3, 14)


LINES = [
    (event(EventKind.STEP_STARTED, "Power on node1"), " 3/14 Clone node1 (next: Power on node1)"),
    (event(EventKind.STEP_STARTED), " 3/14 Clone node1"),
    (event(EventKind.STEP_DONE, seconds=12.04), " 3/14 Clone node1: done in 12.0 s"),
    (event(EventKind.STEP_FAILED, "x", 2), " 3/14 Clone node1: failed after 2.0 s"),
    (event(EventKind.STEP_UNDONE), " 3/14 Clone node1: undone"),
    (event(EventKind.STEP_RETRIED, "Trying again."), " 3/14 Clone node1: Trying again."),
    (event(EventKind.STEP_PROGRESS, "40 %", 3), "      40 % (3.0 s)"),
    (event(EventKind.RUN_DONE), ""),
]


@pytest.mark.parametrize(("shown", "line"), LINES)
def test_plain_line(shown: Event, line: str) -> None:
    assert line_of(shown) == line


def test_plain_output_is_not_flooded(capsys: pytest.CaptureFixture[str]) -> None:
    quiet, loud = Plain(verbose=False), Plain(verbose=True)
    for sink in (quiet, loud):
        sink.take(event(EventKind.STEP_STARTED))
        for number in range(5):
            sink.take(event(EventKind.STEP_PROGRESS, f"{number}"))
    assert len(capsys.readouterr().err.splitlines()) == 1 + 6


def test_live_display() -> None:
    from io import StringIO

    from rich.console import Console

    console = Console(file=StringIO(), force_terminal=True, width=120, color_system=None)
    with Live(console) as live:
        live.take(event(EventKind.STEP_STARTED, "Power on node1"))
        live.take(event(EventKind.STEP_PROGRESS, "40 %"))
        console.print(live)
        live.take(event(EventKind.STEP_RETRIED, "Trying again."))
        live.take(event(EventKind.STEP_DONE, seconds=12.0))
    shown = console.file.getvalue()  # type: ignore[attr-defined]
    assert "3/14 Clone node1 — 0 s — next: power on node1" in shown
    assert "40 %" in shown
    assert "Trying again." in shown
    assert "3/14 Clone node1  12.0 s" in shown
