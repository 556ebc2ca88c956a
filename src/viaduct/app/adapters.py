"""Concrete adapters for one cloud. Each is imported only when it is needed: the command line starts fast."""

from __future__ import annotations

from pathlib import Path

from viaduct.model.cloud import Cloud, Node
from viaduct.model.node_state import NodeState
from viaduct.model.site import Site
from viaduct.services import access
from viaduct.services.ports import CloudRecords, OpenStack, Verifier
from viaduct.services.tools import CloudTools, Patience


def cloud_tools(
    name: str,
    site: Site,
    site_file: Path,
    directory: Path,
    records: CloudRecords,
    patience: Patience,
    *,
    lab: bool,
) -> CloudTools:
    """Log in to the site's vCenter and put a cloud's adapters together.

    Raises :class:`viaduct.errors.VCenterError` and :class:`viaduct.errors.StateError`.
    """
    from viaduct.node.applier import SshNodeApplier
    from viaduct.pki.authority import CloudAuthority
    from viaduct.ssh.transport import SshTransport
    from viaduct.vsphere.client import VCenterClient

    vsphere = VCenterClient(site.vcenter)
    transport = SshTransport(directory / "ssh")

    def openstack(cloud: Cloud) -> OpenStack:
        from viaduct.openstack.admin import OpenStackAdmin

        return OpenStackAdmin(cloud, directory / access.CA_FILE)

    def verifier(cloud: Cloud) -> Verifier:
        from viaduct.openstack.tenancy import CloudTenancy
        from viaduct.services.verify.verifier import TenantVerifier

        return TenantVerifier(lambda: CloudTenancy(cloud, directory / access.CA_FILE), vsphere)

    return CloudTools(
        name=name,
        site=site,
        site_file=site_file,
        lab=lab,
        directory=directory,
        vsphere=vsphere,
        transport=transport,
        applier=SshNodeApplier(transport),
        authority=CloudAuthority(directory / "pki", name),
        openstack=openstack,
        verifier=verifier,
        render=render,
        records=records,
        patience=patience,
    )


def render(cloud: Cloud, node: Node) -> NodeState:
    """A node's state as its roles say."""
    from viaduct.roles.compose import node_state

    return node_state(cloud, node)
