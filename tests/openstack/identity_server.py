"""A few answers of OpenStack's APIs over TLS on loopback, to see how the adapter meets good and bad ones."""

from __future__ import annotations

import json
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any

from viaduct.pki.authority import CloudAuthority

Answer = tuple[int, Any]


@dataclass
class Answers:
    """``routes``: method and path (without query) -> the answer; a callable gets the request's body."""

    password: str = "right"
    routes: dict[str, Answer | Callable[[Any], Answer]] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    port: int = 0

    def url(self, path: str = "") -> str:
        return f"https://127.0.0.1:{self.port}{path}"


@contextmanager
def serving(folder: Path) -> Iterator[tuple[Answers, Path]]:
    """A running server and its CA file."""
    authority = CloudAuthority(folder / "pki", "test")
    _, chain, key = authority.ensure((), (IPv4Address("127.0.0.1"),))
    both = folder / "both.pem"
    both.write_text(chain + key.reveal())
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(both)
    answers = Answers()
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(answers))
    server.daemon_threads = True
    server.socket = context.wrap_socket(server.socket, server_side=True)
    answers.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield answers, authority.ca_file
    finally:
        server.shutdown()
        thread.join(5)
        server.server_close()


def _handler(answers: Answers) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _answer(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            raw = self.rfile.read(length)
            path = self.path.partition("?")[0].rstrip("/")
            answers.asked.append(f"{self.command} {path}")
            body = json.loads(raw) if raw and "json" in self.headers.get("Content-Type", "") else raw
            status, content = _find(answers, f"{self.command} {path}", body)
            payload = json.dumps(content).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(payload)))
            if f"{self.command} {path}" == "POST /v3/auth/tokens":
                self.send_header("X-Subject-Token", "token")
            self.end_headers()
            self.wfile.write(payload)

        do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = do_HEAD = _answer

        def log_message(self, format: str, *args: Any) -> None:
            pass

    return Handler


def _find(answers: Answers, request: str, body: Any) -> Answer:
    if request == "GET /v3":
        links = [{"rel": "self", "href": answers.url("/v3")}]
        return 200, {"version": {"id": "v3.14", "status": "stable", "links": links}}
    if request == "POST /v3/auth/tokens":
        given = body["auth"]["identity"]["password"]["user"]["password"]
        if given != answers.password:
            return 401, {"error": {"code": 401, "title": "Unauthorized", "message": "The request is denied."}}
        return 201, _token(answers)
    found = answers.routes.get(request, (404, {"error": {"code": 404, "message": f"no {request}"}}))
    return found(body) if callable(found) else found


def _token(answers: Answers) -> dict[str, Any]:
    def service(kind: str, path: str) -> dict[str, Any]:
        endpoint = {
            "interface": "public",
            "region": "RegionOne",
            "region_id": "RegionOne",
            "url": answers.url(path),
            "id": kind,
        }
        return {"type": kind, "name": kind, "id": kind, "endpoints": [endpoint]}

    domain = {"id": "default", "name": "Default"}
    return {
        "token": {
            "methods": ["password"],
            "issued_at": "2026-11-20T00:00:00.000000Z",
            "expires_at": "2036-11-20T00:00:00.000000Z",
            "user": {"id": "u", "name": "admin", "domain": domain},
            "project": {"id": "p", "name": "admin", "domain": domain},
            "roles": [{"id": "r", "name": "admin"}],
            "catalog": [
                service("identity", "/v3"),
                service("compute", "/v2.1"),
                service("block-storage", "/volume/v3"),
                service("image", "/v2"),
                service("network", "/network"),
            ],
        }
    }
