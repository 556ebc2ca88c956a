"""Making and judging certificates: pure functions over keys, names and times."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

AUTHORITY_LIFE = timedelta(days=3650)
ENDPOINT_LIFE = timedelta(days=825)
"""The longest that common TLS clients accept for a server."""
RENEW_BEFORE = timedelta(days=30)
_CLOCK_SKEW = timedelta(hours=1)


@dataclass(frozen=True)
class Pair:
    """A certificate and its private key."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey

    def certificate_pem(self) -> str:
        return self.certificate.public_bytes(serialization.Encoding.PEM).decode()

    def key_pem(self) -> str:
        return self.key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        ).decode()


def parse(certificate_pem: str, key_pem: str) -> Pair:
    """Raises ValueError when either is malformed, of another kind, or they do not belong together."""
    certificate = x509.load_pem_x509_certificate(certificate_pem.encode())
    key = serialization.load_pem_private_key(key_pem.encode(), None)
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise ValueError("the key is not an elliptic-curve key")
    if certificate.public_key() != key.public_key():
        raise ValueError("certificate and key do not belong together")
    return Pair(certificate, key)


def make_authority(name: str, now: datetime) -> Pair:
    """A self-signed CA that may issue server certificates only directly."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Viaduct"),
            x509.NameAttribute(NameOID.COMMON_NAME, name),
        ]
    )
    identifier = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
    certificate = (
        _builder(subject, subject, key.public_key(), now, now + AUTHORITY_LIFE)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(signs_certificates=True), critical=True)
        .add_extension(identifier, critical=False)
        .sign(key, hashes.SHA256())
    )
    return Pair(certificate, key)


def issue_endpoint(
    authority: Pair, names: tuple[str, ...], addresses: tuple[IPv4Address, ...], now: datetime
) -> Pair:
    """A server certificate for all of ``names`` and ``addresses``."""
    key = ec.generate_private_key(ec.SECP256R1())
    common = names[0] if names else str(addresses[0])
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common[:64])])
    until = min(now + ENDPOINT_LIFE, authority.certificate.not_valid_after_utc)
    issuer_key = authority.key.public_key()
    certificate = (
        _builder(subject, authority.certificate.subject, key.public_key(), now, until)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(signs_certificates=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.SubjectAlternativeName(_alternatives(names, addresses)), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key), critical=False)
        .sign(authority.key, hashes.SHA256())
    )
    return Pair(certificate, key)


def expires_soon(certificate: x509.Certificate, now: datetime) -> bool:
    """Whether fewer than 30 days are left."""
    return certificate.not_valid_after_utc - now < RENEW_BEFORE


def serves(
    endpoint: Pair, authority: Pair, names: tuple[str, ...], addresses: tuple[IPv4Address, ...], now: datetime
) -> bool:
    """Whether a certificate can stay: issued by us, for just these names and addresses, valid long enough."""
    if expires_soon(endpoint.certificate, now):
        return False
    try:
        endpoint.certificate.verify_directly_issued_by(authority.certificate)
        extension = endpoint.certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    except (ValueError, TypeError, InvalidSignature, x509.ExtensionNotFound):
        return False
    return set(extension.value) == set(_alternatives(names, addresses))


def now_utc() -> datetime:
    return datetime.now(UTC)


def _alternatives(names: tuple[str, ...], addresses: tuple[IPv4Address, ...]) -> list[x509.GeneralName]:
    unique_names, unique_addresses = dict.fromkeys(names), dict.fromkeys(addresses)
    return [*map(x509.DNSName, unique_names), *map(x509.IPAddress, unique_addresses)]


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey, now: datetime, until: datetime
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        # The clocks of nodes and of this machine may differ a little.
        .not_valid_before(now - _CLOCK_SKEW)
        .not_valid_after(until)
    )


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        encipher_only=False,
        decipher_only=False,
    )
