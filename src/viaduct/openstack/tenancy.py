"""Tenants for the verification: projects of their own, made and removed by the administrator."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from viaduct.errors import CloudError
from viaduct.model.cloud import Cloud
from viaduct.model.secret import Secret
from viaduct.model.tenancy import FlavorSize, Purged
from viaduct.openstack import flavors
from viaduct.openstack.connection import DOMAIN, connect, told_as
from viaduct.openstack.tenant import CloudTenant

Report = Callable[[str], None]

_PAUSE = 0.5
_GONE_TIMEOUT = 120.0


class CloudTenancy:
    """Implements :class:`viaduct.services.verify.ports.Tenancy`. ``ca_file``: the cloud's CA (PEM)."""

    def __init__(self, cloud: Cloud, ca_file: Path) -> None:
        self._cloud = cloud
        self._ca_file = ca_file
        self._admin = connect(cloud, ca_file, "admin", "admin", cloud.secrets["admin_password"])
        self._tenants: list[CloudTenant] = []

    def create_tenant(self, name: str) -> CloudTenant:
        """A project and its only user, both called ``name``, with the role ``member``."""
        identity = self._admin.identity
        password = Secret(secrets.token_urlsafe(24))
        with told_as(f"make project {name}"):
            project = identity.create_project(
                name=name, domain_id=DOMAIN, description="Viaduct's verification"
            )
            user = identity.create_user(
                name=name, domain_id=DOMAIN, password=password.reveal(), default_project_id=project.id
            )
            role = identity.find_role("member", ignore_missing=False)
            identity.assign_project_role_to_user(project, user, role)
        tenant = CloudTenant(connect(self._cloud, self._ca_file, name, name, password))
        self._tenants.append(tenant)
        return tenant

    def create_flavor(self, name: str, size: FlavorSize, tenant: str) -> str:
        """A flavor that only the project called ``tenant`` sees; its id."""
        with told_as(f"make flavor {name}"):
            flavor = flavors.create(self._admin, name, size, public=False)
            project = self._admin.identity.find_project(tenant, ignore_missing=False, domain_id=DOMAIN)
            self._admin.compute.flavor_add_tenant_access(flavor, project.id)
        return flavor

    def network_segment(self, network: str) -> int | None:
        """The network's VLAN id; None when it is not a VLAN network."""
        with told_as(f"read network {network}"):
            found = self._admin.network.get_network(network)
        if found.provider_network_type != "vlan" or found.provider_segmentation_id is None:
            return None
        return int(found.provider_segmentation_id)

    def purge(self, prefix: str, report: Report) -> Purged:
        """Remove all projects whose name starts with ``prefix``, all that is in them, and such flavors."""
        images: list[str] = []
        with told_as("look for leftovers of verifications"):
            projects = [p for p in self._admin.identity.projects() if p.name.startswith(prefix)]
        for project in projects:
            with told_as(f"remove what project {project.name} holds"):
                images += self._empty(project.id)
            with told_as(f"remove project {project.name}"):
                for user in self._admin.identity.users(name=project.name):
                    self._admin.identity.delete_user(user)
                self._admin.identity.delete_project(project)
            report(f"removed project {project.name}")
        with told_as("remove the verification's flavors"):
            for flavor in self._admin.compute.flavors(is_public=None):
                if flavor.name.startswith(prefix):
                    self._admin.compute.delete_flavor(flavor)
        return Purged(tuple(project.id for project in projects), tuple(images))

    def close(self) -> None:
        """Close all connections."""
        for tenant in self._tenants:
            tenant.close()
        self._admin.close()

    def _empty(self, project: str) -> list[str]:
        compute, volume, network = self._admin.compute, self._admin.block_storage, self._admin.network
        servers = list(compute.servers(all_projects=True, project_id=project))
        for server in servers:
            compute.delete_server(server, force=server.status not in ("ACTIVE", "SHUTOFF"))
        self._gone("servers", lambda: compute.servers(all_projects=True, project_id=project))
        for snapshot in volume.snapshots(all_projects=True, project_id=project):
            volume.delete_snapshot(snapshot)
        self._gone("snapshots", lambda: volume.snapshots(all_projects=True, project_id=project))
        for one in volume.volumes(all_projects=True, project_id=project):
            if one.status not in ("available", "error", "deleting"):
                # What an interrupted run left in a passing state would refuse to be deleted.
                volume.reset_volume_status(one, "error", "detached", "none")
            volume.delete_volume(one)
        self._gone("volumes", lambda: volume.volumes(all_projects=True, project_id=project))
        images = [image.id for image in self._admin.image.images(owner=project)]
        for image in images:
            self._admin.image.delete_image(image)
        for port in network.ports(project_id=project):
            network.delete_port(port)
        for net in network.networks(project_id=project):
            network.delete_network(net)
        for group in network.security_groups(project_id=project):
            network.delete_security_group(group)
        return images

    def _gone(self, what: str, remaining: Callable[[], Any]) -> None:
        deadline = time.monotonic() + _GONE_TIMEOUT
        while left := [f"{r.name or r.id} ({r.status})" for r in remaining()]:
            if time.monotonic() >= deadline:
                raise CloudError(
                    f"These {what} of a verification do not go away: {', '.join(left)}.",
                    "Delete them as administrator ('./viaduct openstack ...'), then run again.",
                )
            time.sleep(_PAUSE)
