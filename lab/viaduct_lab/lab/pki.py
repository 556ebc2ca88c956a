"""The lab's certificate authority and the vCenter's certificate."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from viaduct_lab.host.files import write_private
from viaduct_lab.lab.record import PkiFiles

_CA_LIFE = timedelta(days=3652)
_SERVER_LIFE = timedelta(days=820)
_RENEW_BEFORE = timedelta(days=30)
_CLOCK_SKEW = timedelta(hours=1)


class Authority:
    """Makes and renews what lies in ``files``; keys are readable by root only."""

    def __init__(self, files: PkiFiles) -> None:
        self._files = files

    def ensure(self, lab_id: str, addresses: tuple[str, ...]) -> bool:
        """Have an authority and a server certificate for ``addresses``; True when the latter is new.

        An expiring certificate is renewed; the authority stays, and so does every client's trust in it.
        """
        self._files.directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        if not (self._files.ca.exists() and self._files.ca_key.exists()):
            self._make_authority(lab_id)
        authority = x509.load_pem_x509_certificate(self._files.ca.read_bytes())
        if self._fits(authority, addresses):
            return False
        self._make_certificate(authority, addresses)
        return True

    def _fits(self, authority: x509.Certificate, addresses: tuple[str, ...]) -> bool:
        if not (self._files.certificate.exists() and self._files.private_key.exists()):
            return False
        own = x509.load_pem_x509_certificate(self._files.certificate.read_bytes())
        names = own.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        same = {str(a) for a in names.get_values_for_type(x509.IPAddress)} == set(addresses)
        fresh = own.not_valid_after_utc - datetime.now(UTC) > _RENEW_BEFORE
        return same and fresh and own.issuer == authority.subject

    def _make_authority(self, lab_id: str) -> None:
        key = ec.generate_private_key(ec.SECP256R1())
        name = _name(f"Viaduct lab {lab_id} CA")
        usage = _usage(key_cert_sign=True, crl_sign=True)
        certificate = (
            _builder(name, name, key.public_key(), _CA_LIFE)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(usage, critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
            .sign(key, hashes.SHA256())
        )
        write_private(self._files.ca_key, _key_text(key))
        self._files.ca.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))

    def _make_certificate(self, authority: x509.Certificate, addresses: tuple[str, ...]) -> None:
        ca_key = serialization.load_pem_private_key(self._files.ca_key.read_bytes(), password=None)
        assert isinstance(ca_key, ec.EllipticCurvePrivateKey)
        key = ec.generate_private_key(ec.SECP256R1())
        names = x509.SubjectAlternativeName([x509.IPAddress(IPv4Address(a)) for a in addresses])
        certificate = (
            _builder(_name(addresses[0]), authority.subject, key.public_key(), _SERVER_LIFE)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_usage(digital_signature=True), critical=True)
            .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
            .add_extension(names, critical=False)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(ca_key.public_key()), critical=False
            )
            .sign(ca_key, hashes.SHA256())
        )
        write_private(self._files.private_key, _key_text(key))
        self._files.certificate.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))


def _builder(
    subject: x509.Name, issuer: x509.Name, public_key: ec.EllipticCurvePublicKey, life: timedelta
) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(public_key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _CLOCK_SKEW)
        .not_valid_after(now + life)
    )


def _name(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def _usage(
    *, digital_signature: bool = False, key_cert_sign: bool = False, crl_sign: bool = False
) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=digital_signature,
        key_cert_sign=key_cert_sign,
        crl_sign=crl_sign,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _key_text(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
