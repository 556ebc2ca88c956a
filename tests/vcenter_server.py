"""A simulated vCenter as a process of its own, for tests.

Use ``start_vcenter`` (a context manager) or the fixtures ``vcenter`` (one per test session, shared) and
``fresh_vcenter`` (one per test): import them in a ``conftest.py``.
"""

from __future__ import annotations

import contextlib
import datetime
import http.client
import ipaddress
import json
import os
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from viaduct_lab.config import ClusterLayout, InventoryLayout, PortGroupLayout, VCenterConfig

USER = "administrator@vsphere.local"
PASSWORD = "secret"
START_SECONDS = 20.0
BYTECODE = Path(tempfile.gettempdir()) / "viaduct-tests-bytecode"
"""Compiled modules of the server, so that it starts in half the time; outside of the source tree."""
LAB = Path(__file__).parents[1] / "lab"
# Python 3.13 verifies strictly: a CA names its key usage and key, a certificate the key that signed it.
_CA_USAGE = x509.KeyUsage(
    digital_signature=True,
    key_cert_sign=True,
    crl_sign=True,
    content_commitment=False,
    key_encipherment=False,
    data_encipherment=False,
    key_agreement=False,
    encipher_only=False,
    decipher_only=False,
)


@dataclass
class VCenterProcess:
    """A running (or stopped) server. ``config`` can be replaced between stop and start.

    ``program``: what Python runs, a module or a script that changes something of the server for a test.
    """

    config: VCenterConfig
    config_file: Path
    ca_file: Path
    log_file: Path
    program: tuple[str, ...] = ("-m", "viaduct_lab.vcenter")
    process: subprocess.Popen[str] | None = field(default=None, repr=False)

    @property
    def host(self) -> str:
        """The vCenter's own address."""
        return self.config.addresses[0]

    @property
    def port(self) -> int:
        """The HTTPS port."""
        return self.config.port

    def client_context(self) -> ssl.SSLContext:
        """A TLS context that trusts this server's CA only."""
        return ssl.create_default_context(cafile=str(self.ca_file))

    def start(self) -> None:
        """Start and wait until it serves."""
        self.config.save(self.config_file)
        environment = {
            **os.environ,
            "PYTHONPATH": f"{LAB}:{os.environ.get('PYTHONPATH', '')}",
            "PYTHONPYCACHEPREFIX": str(BYTECODE),
        }
        environment.pop("PYTHONDONTWRITEBYTECODE", None)
        with self.log_file.open("a") as log:
            self.process = subprocess.Popen(
                [sys.executable, *self.program, "--config", str(self.config_file)],
                stdout=subprocess.PIPE,
                stderr=log,
                env=environment,
                text=True,
            )
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if "ready" not in line:
            self.process.wait(START_SECONDS)
            raise RuntimeError(f"vCenter did not start: {line}\n{self.log_file.read_text()}")

    def kill(self) -> None:
        """End with SIGKILL."""
        assert self.process is not None
        self.process.kill()
        self._reap()

    def stop(self) -> float:
        """End with SIGTERM; returns the seconds it took."""
        assert self.process is not None
        begin = time.monotonic()
        self.process.send_signal(signal.SIGTERM)
        self._reap()
        return time.monotonic() - begin

    def _reap(self) -> None:
        assert self.process is not None
        assert self.process.stdout is not None
        self.process.wait(10)
        self.process.stdout.close()
        self.process = None

    def control(self, method: str, path: str, body: Any = None) -> Any:
        """A request to the control socket; returns the JSON answer. Raises ``AssertionError`` if it fails."""
        connection = _UnixConnection(str(self.config.state_dir / "control.sock"))
        with contextlib.closing(connection):
            connection.request(method, path, json.dumps(body) if body is not None else None)
            response = connection.getresponse()
            answer = json.loads(response.read())
        assert response.status == 200, answer
        return answer


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: str) -> None:
        super().__init__("localhost", timeout=10)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(10)
        self.sock.connect(self._path)


def free_port(addresses: tuple[str, ...]) -> int:
    """A TCP port that is free on all of ``addresses``."""
    for _ in range(50):
        with socket.socket() as probe:
            probe.bind((addresses[0], 0))
            port: int = probe.getsockname()[1]
        with contextlib.ExitStack() as stack:
            try:
                for address in addresses:
                    stack.enter_context(socket.socket()).bind((address, port))
            except OSError:
                continue
            return port
    raise RuntimeError("no free port")


def make_certificate(folder: Path, addresses: tuple[str, ...]) -> tuple[Path, Path, Path]:
    """(CA file, certificate chain file, key file) of a new CA and a certificate for ``addresses``."""
    ca_key = ec.generate_private_key(ec.SECP256R1())
    ca_name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Viaduct test CA")])
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, addresses[0])])
    now = datetime.datetime.now(datetime.UTC)

    def builder(subject: x509.Name, public_key: Any) -> x509.CertificateBuilder:
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(ca_name)
            .public_key(public_key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(minutes=5))
            .not_valid_after(now + datetime.timedelta(days=2))
        )

    ca = (
        builder(ca_name, ca_key.public_key())
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_CA_USAGE, critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(ca_key.public_key()), critical=False)
        .sign(ca_key, hashes.SHA256())
    )
    names = [x509.IPAddress(ipaddress.ip_address(address)) for address in addresses]
    certificate = (
        builder(name, key.public_key())
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(ca_key.public_key()), critical=False
        )
        .sign(ca_key, hashes.SHA256())
    )
    ca_file, chain_file, key_file = folder / "ca.pem", folder / "chain.pem", folder / "key.pem"
    pem = serialization.Encoding.PEM
    ca_file.write_bytes(ca.public_bytes(pem))
    chain_file.write_bytes(certificate.public_bytes(pem) + ca.public_bytes(pem))
    key_file.write_bytes(
        key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return ca_file, chain_file, key_file


def default_inventory(hosts: tuple[str, ...]) -> InventoryLayout:
    """The lab's inventory in small: two clusters on ``hosts`` (two and one)."""
    return InventoryLayout(
        datacenter="Datacenter",
        clusters=(
            ClusterLayout("management", hosts[:2], ("management-ds", "shared-ds")),
            ClusterLayout("compute", hosts[2:], ("compute-ds", "shared-ds")),
        ),
        datastores=("management-ds", "compute-ds", "shared-ds"),
        switch="dvs",
        port_groups=(
            PortGroupLayout("management"),
            PortGroupLayout("external", vlan=11),
            PortGroupLayout("trunk", trunk=True),
        ),
    )


def make_vcenter(
    folder: Path,
    *,
    network: str = "127.0.77",
    program: tuple[str, ...] = VCenterProcess.program,
    **changes: Any,
) -> VCenterProcess:
    """A server that is not started yet, with all its files under ``folder``.

    ``network``: the first three numbers of its loopback addresses. ``changes``: fields of VCenterConfig.
    """
    addresses = tuple(f"{network}.{number}" for number in (1, 11, 12, 13))
    ca_file, chain_file, key_file = make_certificate(folder, addresses)
    password_file = folder / "password"
    password_file.write_text(PASSWORD + "\n")
    for name in ("state", "datastores"):
        (folder / name).mkdir()
    config = VCenterConfig(
        addresses=addresses,
        port=free_port(addresses),
        state_dir=folder / "state",
        datastores_dir=folder / "datastores",
        certificate=chain_file,
        private_key=key_file,
        username=USER,
        password_file=password_file,
        inventory=default_inventory(addresses[1:]),
        task_seconds=0.01,
        lab_id="test",
        lab_dir=folder,
    )
    log_file = folder / "vcenter.log"
    return VCenterProcess(replace(config, **changes), folder / "config.json", ca_file, log_file, program)


@contextlib.contextmanager
def start_vcenter(folder: Path, **options: Any) -> Iterator[VCenterProcess]:
    """A running server; it is ended afterwards. A traceback in its log fails the test."""
    server = make_vcenter(folder, **options)
    server.start()
    try:
        yield server
    finally:
        if server.process is not None:
            server.stop()
    log = server.log_file.read_text()
    assert "Traceback" not in log, log


@pytest.fixture(scope="session")
def vcenter(tmp_path_factory: pytest.TempPathFactory) -> Iterator[VCenterProcess]:
    """A server shared by all tests of the session: leave it as you found it."""
    with start_vcenter(tmp_path_factory.mktemp("vcenter")) as server:
        yield server


@pytest.fixture
def fresh_vcenter(tmp_path: Path) -> Iterator[VCenterProcess]:
    """A server for one test, which may stop, kill and start it."""
    with start_vcenter(tmp_path, network="127.0.78") as server:
        yield server
