"""From a spec to the whole cloud: secrets, certificates, and the files by which people reach it."""

from __future__ import annotations

from ipaddress import IPv4Address

from viaduct.model.cloud import SECRET_NAMES, Certificate, Cloud, CloudSpec, Trust
from viaduct.services import access
from viaduct.services.tools import CloudTools


def assemble(tools: CloudTools, spec: CloudSpec) -> Cloud:
    """The cloud with its secrets and certificates, made if missing (so is the SSH key); writes ``clouds.yaml``
    and ``ca.pem``.

    Raises :class:`viaduct.errors.StateError` and :class:`viaduct.errors.VCenterError`.
    """
    # A key that cannot be made or read is told now, not when there is a VM already.
    tools.transport.public_key()
    cloud = _cloud(tools, spec)
    access.write_files(tools.directory, cloud)
    return cloud


def known(tools: CloudTools, spec: CloudSpec) -> Cloud | None:
    """The cloud as it was made, writing nothing; None when a secret or certificate would have to be made for it.

    Raises as :func:`assemble`.
    """
    if not tools.authority.complete((), _addresses(spec), SECRET_NAMES):
        return None
    return _cloud(tools, spec)


def _cloud(tools: CloudTools, spec: CloudSpec) -> Cloud:
    ca, chain, key = tools.authority.ensure((), _addresses(spec))
    return Cloud(
        spec=spec,
        site=tools.site,
        secrets=tools.authority.secrets(SECRET_NAMES),
        trust=Trust(ca, Certificate(chain, key), tools.vsphere.certificate_authority()),
    )


def _addresses(spec: CloudSpec) -> tuple[IPv4Address, ...]:
    """All addresses that the endpoint's certificate must name."""
    of_nodes = (a for node in spec.nodes for a in (node.management_address, node.external_address))
    return tuple(sorted({spec.public_address, spec.internal_address, *of_nodes}))
