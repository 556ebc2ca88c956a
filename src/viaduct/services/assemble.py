"""From a spec to the whole cloud: secrets, certificates, and the files by which people reach it."""

from __future__ import annotations

from viaduct.model.cloud import SECRET_NAMES, Certificate, Cloud, CloudSpec, Trust
from viaduct.services import access
from viaduct.services.tools import CloudTools


def assemble(tools: CloudTools, spec: CloudSpec) -> Cloud:
    """The cloud with its secrets and certificates, made if missing (so is the SSH key); writes ``clouds.yaml``
    and ``ca.pem``.

    Raises :class:`viaduct.errors.StateError` and :class:`viaduct.errors.VCenterError`.
    """
    addresses = sorted(
        {
            spec.public_address,
            spec.internal_address,
            *(node.management_address for node in spec.nodes),
            *(node.external_address for node in spec.nodes),
        }
    )
    # A key that cannot be made or read is told now, not when there is a VM already.
    tools.transport.public_key()
    ca, chain, key = tools.authority.ensure((), tuple(addresses))
    cloud = Cloud(
        spec=spec,
        site=tools.site,
        secrets=tools.authority.secrets(SECRET_NAMES),
        trust=Trust(ca, Certificate(chain, key), tools.vsphere.certificate_authority()),
    )
    access.write_files(tools.directory, cloud)
    return cloud
