"""Whom to trust as the vCenter: a CA file, a pinned thumbprint, or the system's store."""

from __future__ import annotations

import hashlib
import socket
import ssl
from dataclasses import dataclass
from typing import Any

from viaduct.errors import SiteFileError, VCenterUnreachable, VCenterUntrusted
from viaduct.model.site import VCenter

CONNECT_TIMEOUT = 10.0
"""Seconds to wait for a TCP connection and for the TLS handshake."""


@dataclass(frozen=True)
class Trusted:
    """A verified vCenter: the context to connect with, and the CA certificates (PEM) that others need."""

    context: ssl.SSLContext
    authority_pem: str


def thumbprint(certificate: bytes) -> str:
    """SHA-256 of a DER certificate in the form that vSphere shows: upper case, colons."""
    digest = hashlib.sha256(certificate).hexdigest().upper()
    return ":".join(digest[i : i + 2] for i in range(0, len(digest), 2))


def establish(vcenter: VCenter) -> Trusted:
    """Connect once and check the certificate.

    Raises VCenterUnreachable, VCenterUntrusted (with the presented thumbprint), SiteFileError (ca_file).
    """
    if vcenter.thumbprint is not None:
        return _pinned(vcenter, vcenter.thumbprint)
    if vcenter.ca_file is not None:
        context, authority = _from_file(vcenter)
        _verify(vcenter, context)
        return Trusted(context, authority)
    context = ssl.create_default_context()
    chain = _verify(vcenter, context)
    return Trusted(context, ssl.DER_cert_to_PEM_cert(chain[-1]))


def presented_chain(vcenter: VCenter) -> tuple[bytes, ...]:
    """The DER certificates that the server sends, its own first; nothing is verified."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    with _connected(vcenter, context) as connection:
        return _certificates(connection, "get_unverified_chain")


def _from_file(vcenter: VCenter) -> tuple[ssl.SSLContext, str]:
    path = vcenter.ca_file
    assert path is not None
    try:
        authority = path.read_text()
        return ssl.create_default_context(cadata=authority), authority
    except (OSError, UnicodeDecodeError, ssl.SSLError) as problem:
        raise SiteFileError(
            f"vcenter.ca_file: {path} cannot be read as PEM certificates ({problem}).",
            "Name the PEM file of the CA that issued the vCenter's certificate (vCenter offers it under "
            f"https://{vcenter.host}/certs/download.zip), or give vcenter.thumbprint instead.",
        ) from problem


def _pinned(vcenter: VCenter, wanted: str) -> Trusted:
    chain = presented_chain(vcenter)
    normalized = wanted.replace(":", "").upper()
    matches = [c for c in chain if thumbprint(c).replace(":", "") == normalized]
    if not matches:
        why = f"its thumbprint is not the one in the site file ({wanted})"
        raise _untrusted(vcenter, chain[0], why, instead=True)
    anchor = ssl.DER_cert_to_PEM_cert(matches[0])
    context = ssl.create_default_context(cadata=anchor)
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    # Whoever pins the server's own certificate has named the server; a CA issues to others too.
    context.check_hostname = matches[0] != chain[0]
    _verify(vcenter, context)
    return Trusted(context, anchor)


def _verify(vcenter: VCenter, context: ssl.SSLContext) -> tuple[bytes, ...]:
    """Handshake with verification; the verified chain, the server's certificate first."""
    try:
        with _connected(vcenter, context) as connection:
            return _certificates(connection, "get_verified_chain")
    except ssl.SSLCertVerificationError as problem:
        raise _untrusted(vcenter, presented_chain(vcenter)[0], problem.verify_message) from problem


def _connected(vcenter: VCenter, context: ssl.SSLContext) -> ssl.SSLSocket:
    where = f"{vcenter.host}:{vcenter.port}"
    try:
        plain = socket.create_connection((vcenter.host, vcenter.port), CONNECT_TIMEOUT)
    except OSError as problem:
        raise VCenterUnreachable(
            f"vCenter {where} does not answer ({_reason(problem)}).",
            "Check vcenter.host and vcenter.port in the site file, that the vCenter runs, and that no "
            "firewall stands between this machine and it.",
        ) from problem
    try:
        return context.wrap_socket(plain, server_hostname=vcenter.host)
    except ssl.SSLCertVerificationError:
        plain.close()
        raise
    except OSError as problem:
        plain.close()
        raise VCenterUnreachable(
            f"{where} answers, but not with TLS as a vCenter does ({_reason(problem)}).",
            "Check vcenter.port in the site file (usually 443) and that no proxy stands in between.",
        ) from problem


def _reason(problem: OSError) -> str:
    if isinstance(problem, TimeoutError):
        return f"no answer within {CONNECT_TIMEOUT:.0f} s"
    return problem.strerror or str(problem)


def _untrusted(vcenter: VCenter, certificate: bytes, why: str, *, instead: bool = False) -> VCenterUntrusted:
    """``instead``: the site file has a thumbprint, but another one."""
    seen = thumbprint(certificate)
    line = f"thumbprint: '{seen}'"
    if instead:
        then = (
            f"If they are equal, the certificate was renewed: replace the one in the site file by  {line}  . "
            "If not, something else answers at that address: do not trust it."
        )
    else:
        then = (
            f"If they are equal, add to vcenter in the site file:  {line}  (or name the file of its CA "
            "instead:  ca_file: PATH)."
        )
    return VCenterUntrusted(
        f"The certificate of vCenter {vcenter.host} is not trusted: {why}. Its SHA-256 thumbprint is {seen}.",
        f"Compare it with the one that the vCenter itself shows (Administration > Certificates). {then}",
        seen,
    )


def _certificates(connection: ssl.SSLSocket, which: str) -> tuple[bytes, ...]:
    """``get_verified_chain`` or ``get_unverified_chain``: public since Python 3.13, internal before."""
    public = getattr(connection, which, None)
    if public is not None:
        return tuple(public())
    internal: Any = connection._sslobj  # type: ignore[attr-defined]
    der = ssl._ssl.ENCODING_DER  # type: ignore[attr-defined]
    return tuple(bytes(c.public_bytes(der)) for c in getattr(internal, which)())
