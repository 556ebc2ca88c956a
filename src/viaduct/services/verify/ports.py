"""What the verification needs: a tenant of the cloud, somebody who makes tenants, and a look into vCenter."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Protocol

from viaduct.model.inventory import InstanceVm, ManagedVm
from viaduct.model.site import Site
from viaduct.model.tenancy import FlavorSize, Image, Port, Purged, Server, Volume

Report = Callable[[str], None]


class Tenant(Protocol):
    """A user of the cloud with the role ``member``.

    Requests return when the API has accepted them; reading what does not exist gives None. All raise
    :class:`viaduct.errors.CloudError`.
    """

    def upload_image(self, name: str, path: Path, properties: Mapping[str, str]) -> str:
        """Store a VMDK file; the image's id."""

    def image(self, image: str) -> Image | None: ...

    def download_image(self, image: str, path: Path) -> None: ...

    def delete_image(self, image: str) -> None: ...

    def create_network(self, name: str) -> str: ...

    def create_subnet(self, network: str, name: str, cidr: str) -> str: ...

    def network_exists(self, network: str) -> bool: ...

    def delete_network(self, network: str) -> None: ...

    def ports(self, server: str) -> tuple[Port, ...]: ...

    def boot(self, name: str, image: str, flavor: str, network: str) -> str: ...

    def server(self, server: str) -> Server | None: ...

    def explain_server(self, server: str) -> str:
        """What went wrong with it last, in Nova's words; empty when Nova knows of nothing."""

    def stop(self, server: str) -> None: ...

    def start(self, server: str) -> None: ...

    def reboot(self, server: str, *, hard: bool) -> None: ...

    def resize(self, server: str, flavor: str) -> None: ...

    def confirm_resize(self, server: str) -> None: ...

    def snapshot(self, server: str, name: str) -> str:
        """Start making an image of the server; its id."""

    def delete_server(self, server: str) -> None: ...

    def create_volume(self, name: str, size_gb: int, image: str | None = None) -> str: ...

    def volume(self, volume: str) -> Volume | None: ...

    def explain_volume(self, volume: str) -> str:
        """What Cinder's messages tell of the volume; empty when there are none."""

    def attach(self, server: str, volume: str) -> None: ...

    def detach(self, server: str, volume: str) -> None: ...

    def extend(self, volume: str, size_gb: int) -> None: ...

    def volume_to_image(self, volume: str, name: str) -> str:
        """Start storing the volume as a VMDK image; the image's id."""

    def delete_volume(self, volume: str) -> None: ...


class Tenancy(Protocol):
    """The cloud's administrator, making and removing tenants."""

    def create_tenant(self, name: str) -> Tenant:
        """A project and its only user, both called ``name``."""

    def create_flavor(self, name: str, size: FlavorSize, tenant: str) -> str:
        """A flavor that only the project called ``tenant`` sees; its id."""

    def network_segment(self, network: str) -> int | None:
        """The network's VLAN id; None when it is not a VLAN network."""

    def purge(self, prefix: str, report: Report) -> Purged:
        """Remove all projects whose name starts with ``prefix``, all that is in them, and such flavors."""

    def close(self) -> None: ...


class InstanceInventory(Protocol):
    """vCenter's own view of tenants' things. All raise :class:`viaduct.errors.VCenterError`."""

    def instance(self, uuid: str) -> InstanceVm | None:
        """The VM with that instance UUID (Nova gives a server's, Cinder a volume's), or None."""

    def managed_vms(self) -> tuple[ManagedVm, ...]:
        """All VMs that OpenStack's compute and storage services made."""

    def port_group_vlans(self, site: Site) -> Mapping[str, int | None]:
        """Name -> access VLAN (None: trunk) of the datacenter's port groups."""

    def entries(self, site: Site, datastore: str, directory: str, patterns: Sequence[str]) -> tuple[str, ...]:
        """Names in a datastore's directory (empty: its root) that match one of the glob patterns."""

    def delete_directory(self, site: Site, path: str) -> None:
        """Remove ``[ds] path`` with all below it; nothing there is no error."""

    def delete_folder(self, site: Site, path: str) -> None:
        """Remove an empty VM folder below the datacenter's; none there is no error, anything in it is one."""
