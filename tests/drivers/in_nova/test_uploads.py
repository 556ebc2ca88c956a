"""Uploads to a datastore, against a real HTTPS server."""

# ruff: noqa: E402  (imports wait until it is known that Nova is there)

from __future__ import annotations

import datetime
import http.server
import ipaddress
import ssl
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from apart import need

need("nova", "cinder")

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from nova.virt.vmwareapi import images
from oslo_vmware import exceptions as vmware_exceptions

from viaduct_drivers.nova import uploads

ISO = bytes(range(256)) * 5000
UPSTREAM = images.upload_iso_to_datastore


class Datastore(http.server.ThreadingHTTPServer):
    """Takes PUT requests as vCenter's /folder does."""

    def __init__(self, status: int, certificate: Path) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.status = status
        self.files: dict[str, bytes] = {}
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
        self.socket = context.wrap_socket(self.socket, server_side=True)

    def handle_error(self, *_: Any) -> None:
        """A client that refuses our certificate is part of the test."""


class _Handler(http.server.BaseHTTPRequestHandler):
    server: Datastore

    def do_PUT(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.server.status < 300:
            self.server.files[self.path] = body
        self.send_response(self.server.status)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A self-signed certificate of 127.0.0.1 with its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), False
        )
        .sign(key, hashes.SHA256())
    )
    file = tmp_path_factory.mktemp("tls") / "vc.pem"
    pem = serialization.Encoding.PEM
    plain = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    file.write_bytes(made.public_bytes(pem) + key.private_bytes(pem, *plain))
    return file


@pytest.fixture
def datastore(certificate: Path, request: pytest.FixtureRequest, conf: Any) -> Iterator[Datastore]:
    server = Datastore(getattr(request, "param", 201), certificate)
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    conf.set_override("ca_file", str(certificate), group="vmware")
    yield server
    server.shutdown()
    server.server_close()


def _where(server: Datastore) -> dict[str, Any]:
    return {
        "host": "127.0.0.1",
        "port": server.server_port,
        "data_center_name": "DC",
        "datastore_name": "ds",
        "cookies": "vmware_soap_session=1",
        "file_path": "vm/configdrive.iso",
    }


@pytest.fixture
def iso(tmp_path: Path) -> str:
    file = tmp_path / "configdrive.iso"
    file.write_bytes(ISO)
    return str(file)


def test_upstream_still_reads_the_iso_as_text(datastore: Datastore, iso: str, instance: Any) -> None:
    with pytest.raises(UnicodeDecodeError):
        UPSTREAM(iso, instance, **_where(datastore))


def test_the_config_drive_arrives_byte_by_byte(datastore: Datastore, iso: str, instance: Any) -> None:
    uploads.upload_iso_to_datastore(iso, instance, **_where(datastore))
    assert datastore.files == {"/folder/vm/configdrive.iso?dcPath=DC&dsName=ds": ISO}


@pytest.mark.parametrize("datastore", [507], indirect=True)
def test_a_refused_upload_fails(datastore: Datastore, iso: str, instance: Any) -> None:
    with pytest.raises(vmware_exceptions.ImageTransferException, match="status 507"):
        uploads.upload_iso_to_datastore(iso, instance, **_where(datastore))


def test_an_untrusted_server_gets_nothing(datastore: Datastore, iso: str, instance: Any, conf: Any) -> None:
    conf.set_override("ca_file", None, group="vmware")
    with pytest.raises(Exception, match=r"certificate|CERTIFICATE"):
        uploads.upload_iso_to_datastore(iso, instance, **_where(datastore))
    assert datastore.files == {}


class Images:
    """Glance with one image, whose data may end early."""

    def __init__(self, data: bytes, size: int) -> None:
        self._data, self._size = data, size

    def get(self, context: Any, image_id: str) -> dict[str, Any]:
        return {"id": image_id, "size": self._size}

    def download(self, context: Any, image_id: str) -> Iterator[bytes]:
        yield from (self._data[at : at + 65536] for at in range(0, len(self._data), 65536))


def _fetch(server: Datastore, instance: Any) -> None:
    uploads.fetch_image(None, instance, "127.0.0.1", server.server_port, "DC", "ds", "cache/image.vmdk")


def test_an_image_arrives(datastore: Datastore, instance: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(images, "IMAGE_API", Images(ISO, len(ISO)))
    _fetch(datastore, instance)
    assert list(datastore.files.values()) == [ISO]


@pytest.mark.parametrize("datastore", [500], indirect=True)
def test_an_image_that_the_server_refuses_is_an_error(
    datastore: Datastore, instance: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(images, "IMAGE_API", Images(ISO, len(ISO)))
    with pytest.raises(vmware_exceptions.ImageTransferException, match="status 500"):
        _fetch(datastore, instance)


def test_an_image_that_ends_early_is_an_error_and_no_endless_wait(
    datastore: Datastore, instance: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(images, "IMAGE_API", Images(ISO[:1000], len(ISO)))
    with pytest.raises(vmware_exceptions.ImageTransferException, match=f"1000 of {len(ISO)} bytes"):
        _fetch(datastore, instance)


def test_esxi_hosts_are_not_verified_as_upstream_does(conf: Any) -> None:
    conf.set_override("ca_file", "/ca.pem", group="vmware")
    assert uploads.verification("127.0.0.1") == "/ca.pem"
    assert uploads.verification("esx1") is False
