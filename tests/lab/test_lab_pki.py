"""The lab's certificates."""

import socket
import ssl
import threading

import pytest

from viaduct_lab.lab.pki import Authority
from viaduct_lab.lab.record import PkiFiles
from viaduct_lab.lab.vcenter_process import serves_tls


@pytest.fixture
def files(tmp_path):
    return PkiFiles(tmp_path / "pki")


@pytest.fixture
def authority(files):
    authority = Authority(files)
    authority.ensure("ab12", ("127.0.0.1", "127.0.0.2"))
    return authority


def test_keys_are_private(files, authority):
    for path in files.directory.iterdir():
        if path.suffix == ".key":
            assert path.stat().st_mode & 0o777 == 0o600
    assert files.directory.stat().st_mode & 0o777 == 0o700


def test_again_changes_nothing(files, authority):
    before = files.certificate.read_bytes()
    assert authority.ensure("ab12", ("127.0.0.1", "127.0.0.2")) is False
    assert files.certificate.read_bytes() == before


def test_new_addresses_keep_the_authority(files, authority):
    ca = files.ca.read_bytes()
    assert authority.ensure("ab12", ("127.0.0.1", "127.0.0.3")) is True
    assert files.ca.read_bytes() == ca


def test_a_new_authority_replaces_the_certificate(files, authority):
    files.ca.unlink()
    assert authority.ensure("cd34", ("127.0.0.1", "127.0.0.2")) is True


@pytest.mark.parametrize(
    ("address", "trusted"), [("127.0.0.1", True), ("127.0.0.2", True), ("127.0.0.3", False)]
)
def test_a_strict_client_accepts_it_for_its_addresses_only(files, authority, address, trusted):
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(files.certificate, files.private_key)
    listener = socket.create_server((address, 0))

    def serve():
        try:
            plain, _ = listener.accept()
            server.wrap_socket(plain, server_side=True).close()
        except OSError:
            pass

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        assert serves_tls(address, listener.getsockname()[1], files.ca) is trusted
    finally:
        listener.close()
        thread.join(5)


def test_the_chain_passes_strict_verification(files, authority):
    """Python 3.13 and later verify strictly by default: key identifiers and key usage must be there."""
    client = ssl.create_default_context(cafile=str(files.ca))
    client.verify_flags |= ssl.VERIFY_X509_STRICT
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(files.certificate, files.private_key)
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    near = client.wrap_bio(to_client, to_server, server_hostname="127.0.0.1")
    far = server.wrap_bio(to_server, to_client, server_side=True)
    done = {"near": False, "far": False}
    for _ in range(6):
        for name, end in (("near", near), ("far", far)):
            if not done[name]:
                try:
                    end.do_handshake()
                    done[name] = True
                except ssl.SSLWantReadError:
                    continue
    assert done == {"near": True, "far": True}
