"""A vCenter that cannot be reached, must not be trusted, or does not let us in."""

from __future__ import annotations

import os
import re
import signal
import socket
import threading
import time

import pytest
from vcenter_site import Center

from faults.commands import OK
from faults.conftest import SiteFile, Viaduct, untouched
from vcenter_server import PASSWORD, free_port, make_certificate
from viaduct.engine.retry import RetryPolicy
from viaduct.vsphere import session, trust

THUMBPRINT = re.compile(r"thumbprint: '((?:[0-9A-F]{2}:){31}[0-9A-F]{2})'")


def test_nobody_listens_there(viaduct: Viaduct, site: SiteFile) -> None:
    port = free_port(("127.0.0.1",))
    site.set("vcenter.host", "127.0.0.1")
    site.set("vcenter.port", port)
    with untouched(site.center, site.path.parent / "state"):
        told = viaduct("plan", "--site", str(site.path))
    told.refuses(
        "VCENTER-101", f"127.0.0.1:{port} does not answer (Connection refused)", "vcenter.host", "firewall"
    )


def test_up_tries_again_before_it_gives_up(viaduct: Viaduct, site: SiteFile) -> None:
    site.set("vcenter.host", "127.0.0.1")
    site.set("vcenter.port", free_port(("127.0.0.1",)))
    with untouched(site.center, site.path.parent / "state"):
        told = viaduct("up", "--site", str(site.path))
    told.refuses("VCENTER-101", "Trying again in", "Log in to vCenter: failed after", "log: ")
    assert told.err.count("Trying again in") == RetryPolicy().attempts - 1


def test_a_name_that_nobody_knows(viaduct: Viaduct, site: SiteFile) -> None:
    site.set("vcenter.host", "vcenter.invalid")
    viaduct("plan", "--site", str(site.path)).refuses("VCENTER-101", "vcenter.invalid", "vcenter.host")


def test_silence(viaduct: Viaduct, site: SiteFile, monkeypatch: pytest.MonkeyPatch) -> None:
    """It accepts connections and says nothing, as behind a firewall that swallows packets."""
    monkeypatch.setattr(trust, "CONNECT_TIMEOUT", 0.3)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        site.set("vcenter.host", "127.0.0.1")
        site.set("vcenter.port", silent.getsockname()[1])
        began = time.monotonic()
        told = viaduct("plan", "--site", str(site.path))
    told.refuses("VCENTER-101", "no answer within", "vcenter.port")
    assert time.monotonic() - began < 5


def test_something_else_answers(viaduct: Viaduct, site: SiteFile) -> None:
    """A server of another protocol: it speaks first, and not TLS."""

    def greet(server: socket.socket) -> None:
        connection, _ = server.accept()
        with connection:
            connection.sendall(b"SSH-2.0-OpenSSH_9.2\r\n")
            connection.recv(100)

    with socket.create_server(("127.0.0.1", 0)) as server:
        threading.Thread(target=greet, args=(server,), daemon=True).start()
        site.set("vcenter.host", "127.0.0.1")
        site.set("vcenter.port", server.getsockname()[1])
        told = viaduct("plan", "--site", str(site.path))
    told.refuses("VCENTER-101", "answers, but not with TLS as a vCenter does", "usually 443")


def test_it_falls_silent_after_the_login(
    viaduct: Viaduct, site: SiteFile, center: Center, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The process is stopped in the middle of a conversation; later it goes on."""
    monkeypatch.setattr(session, "READ_TIMEOUT", 0.3)
    monkeypatch.setattr(session, "CONNECT_TIMEOUT", 0.3)
    assert center.server.process is not None
    pid = center.server.process.pid
    log_in = session.Session.__init__

    def then_silence(self: session.Session, *arguments: object) -> None:
        log_in(self, *arguments)  # type: ignore[arg-type]
        os.kill(pid, signal.SIGSTOP)

    monkeypatch.setattr(session.Session, "__init__", then_silence)
    try:
        told = viaduct("plan", "--site", str(site.path))
    finally:
        os.kill(pid, signal.SIGCONT)
    told.refuses("VCENTER-101", "The connection to vCenter broke", "timed out", "run the same command again")


def test_a_wrong_password(viaduct: Viaduct, site: SiteFile) -> None:
    (site.path.parent / "password").write_text("wr0ng-password\n")
    with untouched(site.center, site.path.parent / "state"):
        told = viaduct("up", "--site", str(site.path))
    told.refuses("VCENTER-102", "vCenter refuses the user name or password", "vcenter.password_file")
    assert "Trying again" not in told.err, "a wrong password would lock the account"
    logs = "".join(p.read_text() for p in (site.path.parent / "state" / "log").iterdir())
    assert "wr0ng-password" not in told.text + logs


def test_a_wrong_user(viaduct: Viaduct, site: SiteFile) -> None:
    site.set("vcenter.username", "nobody@vsphere.local")
    told = viaduct("plan", "--site", str(site.path))
    told.refuses("VCENTER-102", "vcenter.username (with its domain")
    assert PASSWORD not in told.text


def test_an_untrusted_certificate_shows_how_to_trust_it(
    viaduct: Viaduct, site: SiteFile, center: Center
) -> None:
    site.set("vcenter.ca_file", None)
    with untouched(site.center, site.path.parent / "state"):
        told = viaduct("up", "--site", str(site.path))
    told.refuses("VCENTER-103", "is not trusted", "the vCenter itself shows", "ca_file: PATH")
    assert "Trying again" not in told.err
    shown = THUMBPRINT.search(told.flat)
    assert shown is not None, told.err
    assert shown[1] == trust.thumbprint(trust.presented_chain(center.vcenter)[0])
    # What was shown is written into the site file as it was shown: now it works.
    site.set("vcenter.thumbprint", shown[1])
    told = viaduct("plan", "--site", str(site.path))
    assert told.status == OK, told.text
    assert "Clone node1" in told.out


def test_another_thumbprint_than_the_pinned_one(viaduct: Viaduct, site: SiteFile) -> None:
    site.set("vcenter.ca_file", None)
    site.set("vcenter.thumbprint", ":".join(["A0"] * 32))
    told = viaduct("plan", "--site", str(site.path))
    told.refuses(
        "VCENTER-103",
        "its thumbprint is not the one in the site file (A0:A0",
        "replace the one",
        "do not trust",
    )
    shown = THUMBPRINT.search(told.flat)
    assert shown is not None
    assert shown[1] != ":".join(["A0"] * 32)


def test_the_ca_of_somebody_else(viaduct: Viaduct, site: SiteFile) -> None:
    other, _, _ = make_certificate(site.path.parent, ("127.0.0.1",))
    site.set("vcenter.ca_file", str(other))
    told = viaduct("plan", "--site", str(site.path))
    told.refuses("VCENTER-103", "is not trusted", "thumbprint: '")


def test_a_ca_file_without_a_certificate(viaduct: Viaduct, site: SiteFile) -> None:
    (site.path.parent / "ca.pem").write_text("nothing\n")
    site.set("vcenter.ca_file", "ca.pem")
    told = viaduct("plan", "--site", str(site.path))
    told.refuses("INPUT-101", "vcenter.ca_file", "PEM", "certs/download.zip", status=2)
