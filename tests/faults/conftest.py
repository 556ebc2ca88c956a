"""One vCenter for all tests here, a site file that fits it, and the command line."""

from __future__ import annotations

import copy
import os
import signal
import socket
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml
from pyVim.connect import SmartConnect
from pyVmomi import vim

sys.path.insert(0, str(Path(__file__).parents[1] / "vsphere"))
from vcenter_site import TEMPLATE, Center, prepared

from faults.commands import HOME, LOGS, Told
from vcenter_server import PASSWORD, USER
from viaduct.app.main import main
from viaduct.engine.retry import RetryPolicy

SHORT = "0.05"
"""Seconds that a node is waited for where it is known never to answer."""


def _free_network() -> tuple[str, int | None]:
    """Loopback addresses where nobody serves port 443, and that port; None if we may not serve it either."""
    for number in range(92, 100):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((f"127.0.{number}.1", 443))
            except PermissionError:
                return f"127.0.{number}", None
            except OSError:
                continue
            return f"127.0.{number}", 443
    raise RuntimeError("port 443 is taken on all loopback addresses that were tried")


@pytest.fixture(scope="session")
def any_port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Center]:
    """A vCenter with the appliance's template, on whatever port."""
    program = (str(Path(__file__).with_name("vcenter_with_tools.py")),)
    network, port = _free_network()
    options: dict[str, Any] = {"port": port} if port else {}
    folder = tmp_path_factory.mktemp("vcenter")
    with prepared(folder, network=network, program=program, **options) as running:
        yield running


@pytest.fixture
def center(any_port: Center) -> Iterator[Center]:
    """A vCenter on port 443, where a cloud can be deployed; what a test leaves in it is removed."""
    if any_port.server.port != 443:
        pytest.skip("only root may serve port 443 here (net.ipv4.ip_unprivileged_port_start)")
    yield any_port
    any_port.server.control("DELETE", "/faults")
    log_in_again(any_port)


def log_in_again(center: Center) -> None:
    """The administrator's own session ends with the others."""
    try:
        center.machine_names()
    except (vim.fault.NotAuthenticated, OSError):
        server = center.server
        context = server.client_context()
        center.other = SmartConnect(
            host=server.host, port=server.port, user=USER, pwd=PASSWORD, sslContext=context
        )


@dataclass
class SiteFile:
    """A site file that fits the vCenter, to be spoilt."""

    center: Center
    path: Path
    document: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        (self.path.parent / "password").write_text(f"{PASSWORD}\n")
        server = self.center.server
        self.document = {
            "name": "test",
            "vcenter": {
                "host": server.host,
                "port": server.port,
                "username": USER,
                "password_file": "password",
                "ca_file": str(server.ca_file),
            },
            "datacenter": "Datacenter",
            "management": {"cluster": "management", "datastore": "management-ds"},
            "compute": [{"cluster": "compute", "datastores": ["compute-ds"]}],
            "images": {"datastore": "shared-ds"},
            "networks": {
                # Loopback addresses: whoever asks there is refused at once.
                "management": {
                    "port_group": "management",
                    "cidr": "127.93.0.0/24",
                    "gateway": "127.93.0.1",
                    "ranges": ["127.93.0.100-127.93.0.149"],
                },
                "external": {
                    "port_group": "external",
                    "cidr": "127.93.1.0/24",
                    "ranges": ["127.93.1.100-127.93.1.149"],
                },
            },
            "tenant_networks": {"switch": "dvs", "vlans": ["1000-1999"]},
            "appliance": {"template": TEMPLATE},
        }
        self.write()

    def write(self) -> None:
        self.path.write_text(yaml.safe_dump(self.document))

    def set(self, field_path: str, value: object) -> None:
        """Give a field (``networks.management.cidr``, ``compute.0.cluster``) a value; None removes it."""
        *above, last = field_path.split(".")
        at: Any = self.document
        for key in above:
            at = at[int(key)] if key.isdigit() else at[key]
        if value is None:
            at.pop(last, None)
        else:
            at[last] = copy.deepcopy(value)
        self.write()


@pytest.fixture
def site(any_port: Center, tmp_path: Path) -> SiteFile:
    return SiteFile(any_port, tmp_path / "site.yaml")


Viaduct = Callable[..., Told]


@pytest.fixture
def state(tmp_path: Path) -> Path:
    return tmp_path / "state"


@pytest.fixture
def viaduct(
    state: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Iterator[Viaduct]:
    """Runs the command line in this process, in the test's state directory; it does not wait between tries."""
    handlers = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGHUP)}
    monkeypatch.setattr(sys, "stdin", open(os.devnull))  # noqa: SIM115
    monkeypatch.setattr(RetryPolicy, "delay", lambda policy, attempt: 0.01)
    monkeypatch.setenv("VIADUCT_HOME", str(HOME))
    monkeypatch.setenv("VIADUCT_BOOT_TIMEOUT", SHORT)
    monkeypatch.delenv("VIADUCT_STATE", raising=False)

    def run(*words: str, state: Path = state) -> Told:
        monkeypatch.setattr(sys, "argv", ["viaduct", "--state", str(state), *words])
        capfd.readouterr()
        status = main()
        told = capfd.readouterr()
        return Told(status, told.out, told.err)

    yield run
    sys.dont_write_bytecode = False
    for number, handler in handlers.items():
        signal.signal(number, handler)


def contents(center: Center) -> tuple[list[str], list[str]]:
    """All that the vCenter holds: objects, and files on its datastores."""
    entities = [f"{e['type']} {e['path']}" for e in center.server.control("GET", "/inventory")]
    stores = center.server.config.datastores_dir
    return sorted(entities), sorted(str(path.relative_to(stores)) for path in stores.rglob("*"))


@contextmanager
def untouched(center: Center, state: Path) -> Iterator[None]:
    """Nothing is made in the vCenter by what is done inside, and of the state directory nothing but logs."""
    before = contents(center)
    yield
    assert contents(center) == before
    left = {path.name for path in state.iterdir()} if state.exists() else set()
    assert left <= LOGS, left


@pytest.fixture
def removed(viaduct: Viaduct) -> Iterator[None]:
    """Whatever cloud the test deployed is removed after it."""
    yield
    assert viaduct("down", "--purge", "--yes").status == 0
