"""The cloud directory's certificates and secrets: made once, kept 0600, written whole or not at all."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import datetime
from ipaddress import IPv4Address
from pathlib import Path

from viaduct import private_files
from viaduct.errors import StateError
from viaduct.model.secret import Secret
from viaduct.pki import certificates
from viaduct.pki.certificates import Pair
from viaduct.pki.secrets import generate

AUTHORITY, ENDPOINT, SECRETS = "ca", "endpoint", "secrets.json"


class CloudAuthority:
    """Implements :class:`viaduct.services.ports.Authority` in ``directory`` (made if missing, 0700).

    ``name`` is shown in the CA's subject. Files: ``ca.pem``, ``ca.key``, ``endpoint.pem``, ``endpoint.key``,
    ``secrets.json``. All methods raise StateError when these cannot be used.
    """

    def __init__(
        self, directory: Path, name: str, clock: Callable[[], datetime] = certificates.now_utc
    ) -> None:
        self._directory = directory
        self._name = name
        self._clock = clock

    def ensure(self, names: tuple[str, ...], addresses: tuple[IPv4Address, ...]) -> tuple[str, str, Secret]:
        """See the protocol. A new CA is made only when there is none or its own time is over."""
        if not names and not addresses:
            raise ValueError("an endpoint certificate needs a name or an address")
        now = self._clock()
        authority = self._load(AUTHORITY)
        if authority is None or certificates.expires_soon(authority.certificate, now):
            authority = certificates.make_authority(f"Viaduct cloud {self._name}", now)
            self._store(AUTHORITY, authority)
        endpoint = self._load(ENDPOINT)
        if endpoint is None or not certificates.serves(endpoint, authority, names, addresses, now):
            endpoint = certificates.issue_endpoint(authority, names, addresses, now)
            self._store(ENDPOINT, endpoint)
        return authority.certificate_pem(), endpoint.certificate_pem(), Secret(endpoint.key_pem())

    def secrets(self, names: tuple[str, ...]) -> Mapping[str, Secret]:
        """One secret per name; existing ones never change, also those not asked for are kept."""
        kept = self._read_secrets()
        missing = [n for n in names if n not in kept]
        if missing:
            kept |= {n: generate(n) for n in missing}
            self._write(SECRETS, json.dumps(kept, indent=1, sort_keys=True))
        return {n: Secret(kept[n]) for n in names}

    def complete(
        self, names: tuple[str, ...], addresses: tuple[IPv4Address, ...], secrets: tuple[str, ...]
    ) -> bool:
        """See the protocol."""
        now = self._clock()
        authority, endpoint = self._load(AUTHORITY), self._load(ENDPOINT)
        if authority is None or endpoint is None or certificates.expires_soon(authority.certificate, now):
            return False
        return certificates.serves(endpoint, authority, names, addresses, now) and not (
            set(secrets) - set(self._read_secrets())
        )

    @property
    def ca_file(self) -> Path:
        """Where the CA's certificate lies after :meth:`ensure`."""
        return self._directory / f"{AUTHORITY}.pem"

    def _load(self, stem: str) -> Pair | None:
        """None when there is no certificate yet; a key without its certificate is an interrupted write."""
        certificate, key = self._directory / f"{stem}.pem", self._directory / f"{stem}.key"
        if not certificate.exists():
            return None
        try:
            return certificates.parse(certificate.read_text(), key.read_text())
        except ValueError as problem:
            if stem == ENDPOINT:
                # Interrupted between the two files; it can be issued again.
                return None
            raise _unusable(certificate, problem) from problem
        except OSError as problem:
            raise _unusable(certificate, problem) from problem

    def _store(self, stem: str, pair: Pair) -> None:
        """The key first: the certificate's presence says that both are there."""
        self._write(f"{stem}.key", pair.key_pem())
        self._write(f"{stem}.pem", pair.certificate_pem())

    def _read_secrets(self) -> dict[str, str]:
        path = self._directory / SECRETS
        if not path.exists():
            return {}
        try:
            content = json.loads(path.read_text())
            if not isinstance(content, dict):
                raise ValueError("not a JSON object")
            return {str(k): str(v) for k, v in content.items()}
        except (OSError, ValueError) as problem:
            raise _unusable(path, problem) from problem

    def _write(self, name: str, content: str) -> None:
        path = self._directory / name
        try:
            self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            private_files.replace(path, content.encode())
        except OSError as problem:
            raise StateError(
                f"{path} cannot be written ({problem.strerror or problem}).",
                "Check the state directory's permissions and free space, then run the same command again.",
            ) from problem


def _unusable(path: Path, problem: Exception) -> StateError:
    return StateError(
        f"{path} cannot be used ({problem}).",
        "Restore it from a backup of the state directory. The cloud's services know only this one.",
    )
