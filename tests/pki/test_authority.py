"""The cloud's CA, endpoint certificate and secrets."""

from __future__ import annotations

import base64
import socket
import ssl
import threading
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address
from pathlib import Path

import pytest
from cryptography import x509

from viaduct.errors import StateError
from viaduct.model.cloud import SECRET_NAMES
from viaduct.pki.authority import CloudAuthority

PUBLIC, INTERNAL = IPv4Address("10.70.1.100"), IPv4Address("10.70.0.100")
START = datetime(2026, 11, 20, tzinfo=UTC)


class Clock:
    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def authority(tmp_path: Path, clock: Clock) -> CloudAuthority:
    return CloudAuthority(tmp_path / "cloud", "demo", clock)


def leaf(chain: str) -> x509.Certificate:
    return x509.load_pem_x509_certificate(chain.encode())


def test_the_certificate_names_all_endpoints(authority: CloudAuthority) -> None:
    _, chain, _ = authority.ensure(("demo.example.org", "localhost"), (PUBLIC, INTERNAL))
    names = leaf(chain).extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["demo.example.org", "localhost"]
    assert names.get_values_for_type(x509.IPAddress) == [PUBLIC, INTERNAL]


def test_nothing_changes_while_nothing_has_to(authority: CloudAuthority, clock: Clock) -> None:
    first = authority.ensure(("a",), (PUBLIC,))
    clock.now += timedelta(days=700)
    assert authority.ensure(("a",), (PUBLIC,)) == first


@pytest.mark.parametrize(
    ("names", "addresses"),
    [(("b",), (PUBLIC,)), (("a",), (PUBLIC, INTERNAL)), (("a", "b"), (PUBLIC,)), ((), (PUBLIC,))],
)
def test_other_names_or_addresses_mean_a_new_certificate_of_the_same_ca(
    authority: CloudAuthority, names: tuple[str, ...], addresses: tuple[IPv4Address, ...]
) -> None:
    ca, chain, _ = authority.ensure(("a",), (PUBLIC,))
    ca_after, chain_after, _ = authority.ensure(names, addresses)
    assert ca_after == ca
    assert chain_after != chain
    leaf(chain_after).verify_directly_issued_by(leaf(ca))


def test_the_order_of_names_does_not_matter(authority: CloudAuthority) -> None:
    first = authority.ensure(("a", "b"), (PUBLIC, INTERNAL))
    assert authority.ensure(("b", "a"), (INTERNAL, PUBLIC)) == first


def test_it_is_renewed_a_month_before_its_end(authority: CloudAuthority, clock: Clock) -> None:
    ca, chain, _ = authority.ensure(("a",), (PUBLIC,))
    life = leaf(chain).not_valid_after_utc - START
    assert life <= timedelta(days=825)
    clock.now = START + life - timedelta(days=29)
    ca_after, renewed, _ = authority.ensure(("a",), (PUBLIC,))
    assert ca_after == ca
    assert leaf(renewed).not_valid_after_utc > clock.now + timedelta(days=700)


def test_an_endpoint_never_outlives_its_ca(authority: CloudAuthority, clock: Clock) -> None:
    ca, _, _ = authority.ensure(("a",), (PUBLIC,))
    clock.now = leaf(ca).not_valid_after_utc - timedelta(days=100)
    ca_after, chain, _ = authority.ensure(("a",), (PUBLIC,))
    assert ca_after == ca
    assert leaf(chain).not_valid_after_utc == leaf(ca).not_valid_after_utc


def test_a_real_tls_client_accepts_it(tmp_path: Path) -> None:
    authority = CloudAuthority(tmp_path, "demo")
    ca, chain, key = authority.ensure(("localhost",), (IPv4Address("127.0.0.1"),))
    (tmp_path / "both.pem").write_text(chain + key.reveal())
    server = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    server.load_cert_chain(tmp_path / "both.pem")
    client = ssl.create_default_context(cadata=ca)
    client.verify_flags |= ssl.VERIFY_X509_STRICT
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def answer() -> None:
            with server.wrap_socket(listener.accept()[0], server_side=True) as peer:
                peer.recv(1)

        thread = threading.Thread(target=answer)
        thread.start()
        plain = socket.create_connection(listener.getsockname(), 5)
        with client.wrap_socket(plain, server_hostname="127.0.0.1") as connection:
            connection.send(b"x")
        thread.join(5)


def test_files_are_private_and_none_is_left_over(authority: CloudAuthority, tmp_path: Path) -> None:
    authority.ensure(("a",), (PUBLIC,))
    authority.secrets(("admin_password",))
    files = sorted((tmp_path / "cloud").iterdir())
    assert [f.name for f in files] == ["ca.key", "ca.pem", "endpoint.key", "endpoint.pem", "secrets.json"]
    assert {f.stat().st_mode & 0o777 for f in files} == {0o600}
    assert (tmp_path / "cloud").stat().st_mode & 0o777 == 0o700


def test_an_interrupted_endpoint_is_issued_again(authority: CloudAuthority, tmp_path: Path) -> None:
    ca, chain, _ = authority.ensure(("a",), (PUBLIC,))
    _, _, other = CloudAuthority(tmp_path / "other", "other").ensure(("a",), (PUBLIC,))
    (tmp_path / "cloud" / "endpoint.key").write_text(other.reveal())
    ca_after, chain_after, _ = authority.ensure(("a",), (PUBLIC,))
    assert ca_after == ca
    assert chain_after != chain


def test_a_damaged_ca_is_never_silently_replaced(authority: CloudAuthority, tmp_path: Path) -> None:
    authority.ensure(("a",), (PUBLIC,))
    (tmp_path / "cloud" / "ca.pem").write_text("garbage")
    with pytest.raises(StateError, match=r"ca\.pem cannot be used"):
        authority.ensure(("a",), (PUBLIC,))


def test_secrets_are_made_once_and_never_shown(authority: CloudAuthority) -> None:
    first = authority.secrets(SECRET_NAMES)
    again = authority.secrets((*SECRET_NAMES, "one_more"))
    assert {n: again[n].reveal() for n in SECRET_NAMES} == {n: s.reveal() for n, s in first.items()}
    assert len({s.reveal() for s in again.values()}) == len(SECRET_NAMES) + 1
    assert all(s.reveal() not in repr(again) for s in again.values())


def test_what_is_missing_is_told_without_being_made(
    authority: CloudAuthority, tmp_path: Path, clock: Clock
) -> None:
    def complete() -> bool:
        return authority.complete((), (PUBLIC,), ("one",))

    assert not complete()
    assert not (tmp_path / "cloud").exists()
    authority.ensure((), (PUBLIC,))
    assert not complete()
    authority.secrets(("one",))
    assert complete()
    assert not authority.complete((), (PUBLIC, INTERNAL), ("one",))
    assert not authority.complete((), (PUBLIC,), ("one", "two"))
    clock.now += timedelta(days=4000)
    assert not complete()


def test_secrets_have_the_form_that_their_readers_expect(authority: CloudAuthority) -> None:
    for name, secret in authority.secrets(SECRET_NAMES).items():
        if name.startswith(("fernet_key_", "credential_key_")):
            assert len(base64.urlsafe_b64decode(secret.reveal())) == 32
        else:
            assert secret.reveal().isalnum()
            assert len(secret.reveal()) == 32


def test_damaged_secrets_are_never_made_anew(authority: CloudAuthority, tmp_path: Path) -> None:
    authority.secrets(("a",))
    (tmp_path / "cloud" / "secrets.json").write_text("{")
    with pytest.raises(StateError, match=r"secrets\.json cannot be used"):
        authority.secrets(("a",))
