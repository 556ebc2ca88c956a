"""The programs that run on the node."""

from __future__ import annotations

import http.server
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from viaduct.roles.onnode import database, identity, queues, ready

# --- ready.py ------------------------------------------------------------------------------------


class Answers(http.server.BaseHTTPRequestHandler):
    """Answers with the statuses that are given, the last one for ever."""

    statuses: list[int]

    def do_GET(self) -> None:
        statuses = type(self).statuses
        self.send_response(statuses.pop(0) if len(statuses) > 1 else statuses[0])
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[http.server.HTTPServer]:
    made = http.server.HTTPServer(("127.0.0.1", 0), Answers)
    threading.Thread(target=made.serve_forever, daemon=True).start()
    yield made
    made.shutdown()
    made.server_close()


def test_ready_waits_for_an_answer_below_500(server: http.server.HTTPServer) -> None:
    Answers.statuses = [503, 502, 300]
    assert ready.main(["http", "127.0.0.1", str(server.server_port), "/"]) == 0
    assert Answers.statuses == [300]


def test_ready_gives_up_when_the_service_has_ended(
    server: http.server.HTTPServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    Answers.statuses = [503]
    process = subprocess.Popen([sys.executable, "-c", "pass"])
    process.wait()
    monkeypatch.setenv("MAINPID", str(process.pid))
    assert ready.main(["http", "127.0.0.1", str(server.server_port), "/"]) == 1


def test_ready_says_each_problem_once(
    server: http.server.HTTPServer, capsys: pytest.CaptureFixture[str]
) -> None:
    Answers.statuses = [503, 503, 503, 200]
    ready.main(["http", "127.0.0.1", str(server.server_port), "/x"])
    assert capsys.readouterr().err.count("status 503") == 1


# --- queues.py -----------------------------------------------------------------------------------


def test_transport_is_read_from_the_configuration() -> None:
    text = "[DEFAULT]\ndebug = true\ntransport_url = rabbit://open%40stack:p%2F\\$w@10.0.0.1:5672//\n"
    assert queues.transport(text) == {
        "host": "10.0.0.1:5672",
        "userid": "open@stack",
        "password": "p/$w",
        "virtual_host": "/",
        "connect_timeout": 5,
    }


def test_configuration_without_transport_is_refused() -> None:
    with pytest.raises(SystemExit, match="transport_url"):
        queues.transport("[DEFAULT]\n")


class FakeAmqp:
    """An amqp module whose queues get a consumer after some questions; the connection breaks once in between."""

    class exceptions:
        class AMQPError(Exception):
            pass

        class NotFound(AMQPError):
            pass

    def __init__(self) -> None:
        self.asked = 0
        self.Connection = lambda **_: self

    def __enter__(self) -> FakeAmqp:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def channel(self) -> Any:
        return SimpleNamespace(queue_declare=self.declare, is_open=False)

    def declare(self, queue: str, passive: bool) -> Any:
        assert passive, "asking must not make the queue"
        self.asked += 1
        if self.asked == 1:
            raise self.exceptions.NotFound
        if self.asked == 2:
            raise OSError("connection reset")
        return SimpleNamespace(consumer_count=0 if self.asked == 3 else 1)


def test_queues_waits_for_a_consumer(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    fake = FakeAmqp()
    monkeypatch.setattr(queues, "PAUSE", 0)
    monkeypatch.setitem(sys.modules, "amqp", fake)  # type: ignore[arg-type]
    config = tmp_path / "nova.conf"
    config.write_text("transport_url = rabbit://u:p@h:1//\n")
    assert queues.main([str(config), "conductor"]) == 0
    assert fake.asked == 4


# --- database.py ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("mark", "tables", "expected"),
    [
        (None, 0, ["nova"]),
        ("restoring", 0, ["nova"]),
        ("restoring", 7, ["nova"]),
        ("restored", 7, []),
        ("restored", 0, ["nova"]),
    ],
)
def test_what_is_restored(
    monkeypatch: pytest.MonkeyPatch, mark: str | None, tables: int, expected: list[str]
) -> None:
    monkeypatch.setattr(database, "tables", lambda name: tables)
    known = {"schema:nova": mark} if mark else {}
    assert database.todo({"databases": {"nova": "nova"}}, known) == expected


def test_a_database_of_somebody_else_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database, "tables", lambda name: 3)
    with pytest.raises(SystemExit, match="adopt nova"):
        database.todo({"databases": {"nova": "nova"}}, {})


class FakeMariaDb:
    """Answers the statements that restoring sends, and records them in order."""

    def __init__(self) -> None:
        self.statements: list[str] = []

    def __call__(self, statements: str) -> list[str]:
        self.statements.append(statements)
        if "version_num" in statements:
            return ["b", "a"]
        return []


def test_interrupted_restore_is_marked_before_it_begins(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    fake = FakeMariaDb()
    monkeypatch.setattr(database, "sql", fake)
    monkeypatch.setattr(database, "CLIENT", ("false",))
    dump = tmp_path / "nova.sql.gz"
    subprocess.run(["gzip", "-c"], input=b"x", stdout=dump.open("wb"), check=True)
    with pytest.raises(SystemExit, match="cannot load"):
        database.restore("nova", dump)
    assert "'schema:nova', 'restoring'" in fake.statements[0]
    assert "DROP DATABASE IF EXISTS nova" in fake.statements[1]
    assert not any("'restored'" in s for s in fake.statements)
    monkeypatch.setattr(database, "CLIENT", ("sh", "-c", "cat > /dev/null"))
    database.restore("nova", dump)
    assert "'schema:nova', 'restored'" in fake.statements[-1]


@pytest.mark.parametrize(("wanted", "current"), [('["a", "b"]', True), ('["a"]', False), ('"a"', False)])
def test_revisions_are_compared_whatever_their_order(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, wanted: str, current: bool
) -> None:
    monkeypatch.setattr(database, "sql", FakeMariaDb())
    (tmp_path / "revisions.json").write_text(f'{{"neutron": {wanted}}}')
    assert database.current({"dumps": str(tmp_path)}, "neutron") is current


# --- identity.py ---------------------------------------------------------------------------------


class FakeCatalog:
    """keystone's catalog manager, as far as it is used."""

    def __init__(self) -> None:
        self.services: list[dict[str, Any]] = []
        self.endpoints: list[dict[str, Any]] = []
        self.changes = 0

    def list_services(self) -> list[dict[str, Any]]:
        return self.services

    def list_endpoints(self) -> list[dict[str, Any]]:
        return self.endpoints

    def create_service(self, _: str, service: dict[str, Any]) -> None:
        self.changes += 1
        self.services.append(service)

    def create_endpoint(self, _: str, endpoint: dict[str, Any]) -> None:
        self.changes += 1
        self.endpoints.append(endpoint)

    def update_endpoint(self, identifier: str, endpoint: dict[str, Any]) -> None:
        self.changes += 1
        self.endpoints = [endpoint if e["id"] == identifier else e for e in self.endpoints]


NOVA = {"name": "nova", "type": "compute", "description": "", "public": "https://p", "internal": "https://i"}


def test_catalog_entries_are_made_once_and_follow_their_urls() -> None:
    catalog = FakeCatalog()
    identity.ensure_service(catalog, NOVA, "RegionOne")
    assert catalog.changes == 4
    urls = {e["interface"]: e["url"] for e in catalog.endpoints}
    assert urls == {"public": "https://p", "internal": "https://i", "admin": "https://i"}
    identity.ensure_service(catalog, NOVA, "RegionOne")
    assert catalog.changes == 4
    identity.ensure_service(catalog, {**NOVA, "public": "https://moved"}, "RegionOne")
    assert catalog.changes == 5
    assert len(catalog.endpoints) == 3
    identity.ensure_service(catalog, NOVA, "RegionTwo")
    assert len(catalog.endpoints) == 6


class FakeIdentity:
    """keystone's identity manager with one user."""

    def __init__(self, password: str) -> None:
        self.password = password
        self.driver = self
        self.updates = 0

    def get_user_by_name(self, name: str, domain: str) -> dict[str, str]:
        return {"id": "u1", "name": name}

    def authenticate(self, user: str, password: str) -> None:
        if password != self.password:
            raise AssertionError

    def update_user(self, user: str, change: dict[str, str]) -> None:
        self.password = change["password"]
        self.updates += 1


@pytest.mark.parametrize(("password", "updates"), [("right", 0), ("former", 1)])
def test_password_of_a_service_user_is_set_when_it_differs(password: str, updates: int) -> None:
    users = FakeIdentity(password)
    providers = SimpleNamespace(identity_api=users)
    exception = SimpleNamespace(UserNotFound=KeyError)
    assert identity.ensure_user(providers, exception, "default", "nova", "right") == "u1"
    assert (users.password, users.updates) == ("right", updates)


def test_programs_need_nothing_but_the_standard_library() -> None:
    """As on the node: isolated, without site packages."""
    for module in (database, identity, queues, ready):
        path = os.path.abspath(str(module.__file__))
        done = subprocess.run(
            [sys.executable, "-I", "-S", "-c", f"import runpy; runpy.run_path({path!r}, run_name='x')"],
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
