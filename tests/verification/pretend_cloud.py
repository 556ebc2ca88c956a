"""A cloud and its vCenter in memory: what a tenant makes appears as VMs, port groups and files.

``broken`` names what goes wrong (see where it is asked); everything else works at once.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from fnmatch import fnmatch
from itertools import count
from pathlib import Path

from viaduct.errors import CloudError
from viaduct.model.inventory import (
    COMPUTE_EXTENSION,
    STORAGE_EXTENSION,
    InstanceDisk,
    InstanceNic,
    InstanceVm,
    ManagedVm,
)
from viaduct.model.site import Site
from viaduct.model.tenancy import FlavorSize, Image, Port, Purged, Server, Volume

GIB = 1 << 30
MAC = "fa:16:3e:00:00:01"


@dataclass
class PretendCloud:
    """Implements Tenant, Tenancy and InstanceInventory at once."""

    broken: str = ""
    vlan: int = 1234
    servers: dict[str, Server] = field(default_factory=dict)
    machines: dict[str, InstanceVm] = field(default_factory=dict)
    volumes: dict[str, Volume] = field(default_factory=dict)
    images: dict[str, Image] = field(default_factory=dict)
    content: dict[str, bytes] = field(default_factory=dict)
    networks: dict[str, str] = field(default_factory=dict)
    flavors: dict[str, FlavorSize] = field(default_factory=dict)
    projects: list[str] = field(default_factory=list)
    cache: set[str] = field(default_factory=set)
    calls: list[str] = field(default_factory=list)
    closed: bool = False
    _numbers: Callable[[], int] = field(default=count(1).__next__)

    def _id(self, kind: str) -> str:
        return f"{kind}-{self._numbers():04d}"

    # Tenancy

    def create_tenant(self, name: str) -> PretendCloud:
        self.projects.append(name)
        return self

    def create_flavor(self, name: str, size: FlavorSize, tenant: str) -> str:
        assert tenant in self.projects
        self.flavors[name] = size
        return name

    def network_segment(self, network: str) -> int | None:
        return 4000 if self.broken == "segment" else self.vlan

    def purge(self, prefix: str, report: Callable[[str], None]) -> Purged:
        self.calls.append(f"purge {prefix}")
        if self.broken == "purge" and len(self.calls) > 1:
            raise CloudError("OpenStack could not remove the project: gone fishing")
        images: list[str] = []
        gone = [p for p in self.projects if p.startswith(prefix)]
        for project in gone:
            self.projects.remove(project)
            images += self.images
            for things in (self.servers, self.machines, self.volumes, self.images, self.networks):
                things.clear()
            report(f"removed project {project}")
        self.flavors = {n: s for n, s in self.flavors.items() if not n.startswith(prefix)}
        return Purged(tuple(gone), tuple(images))

    def close(self) -> None:
        self.closed = True

    # Tenant: images

    def upload_image(self, name: str, path: Path, properties: Mapping[str, str]) -> str:
        assert properties["vmware_disktype"] == "streamOptimized"
        image = self._id("image")
        self.content[image] = path.read_bytes()
        self.images[image] = Image(image, "active", path.stat().st_size)
        return image

    def image(self, image: str) -> Image | None:
        return self.images.get(image)

    def download_image(self, image: str, path: Path) -> None:
        path.write_bytes(self.content[image])

    def delete_image(self, image: str) -> None:
        del self.images[image]

    # Tenant: networks

    def create_network(self, name: str) -> str:
        network = self._id("network")
        self.networks[network] = name
        return network

    def create_subnet(self, network: str, name: str, cidr: str) -> str:
        return self._id("subnet")

    def network_exists(self, network: str) -> bool:
        return network in self.networks

    def delete_network(self, network: str) -> None:
        if self.broken != "port group stays":
            del self.networks[network]

    def ports(self, server: str) -> tuple[Port, ...]:
        return (Port("port", MAC, ("192.168.77.5",)),)

    # Tenant: servers

    def boot(self, name: str, image: str, flavor: str, network: str) -> str:
        server = self._id("server")
        if self.broken == "boot":
            self.servers[server] = Server(server, name, "ERROR", fault="No valid host was found.")
            return server
        self.servers[server] = Server(server, name, "ACTIVE")
        self.cache.add(image)
        size = self.flavors[flavor]
        vlan = self.vlan + 1 if self.broken == "vlan" else self.vlan
        self.machines[server] = InstanceVm(
            server,
            name,
            "compute",
            "10.70.0.4",
            "poweredOn",
            size.cpus,
            size.memory_mb,
            (InstanceDisk(f"[compute-ds] {server}/disk.vmdk", size.disk_gb * GIB),),
            (InstanceNic(MAC, self.networks[network], vlan),),
        )
        return server

    def server(self, server: str) -> Server | None:
        return self.servers.get(server)

    def explain_server(self, server: str) -> str:
        return self.servers[server].fault

    def _become(self, server: str, status: str, **changes: object) -> None:
        self.servers[server] = replace(self.servers[server], status=status)
        self.machines[server] = replace(self.machines[server], **changes)  # type: ignore[arg-type]

    def stop(self, server: str) -> None:
        self._become(server, "SHUTOFF", power="poweredOn" if self.broken == "stop" else "poweredOff")

    def start(self, server: str) -> None:
        self._become(server, "ACTIVE", power="poweredOn")

    def reboot(self, server: str, *, hard: bool) -> None:
        self.calls.append(f"reboot {'hard' if hard else 'soft'}")
        if self.broken == "reboot":
            raise CloudError("OpenStack could not reboot server: HTTP 500", detail="request id req-1")

    def resize(self, server: str, flavor: str) -> None:
        size = self.flavors[flavor]
        self._become(server, "VERIFY_RESIZE", cpus=size.cpus, memory_mb=size.memory_mb)

    def confirm_resize(self, server: str) -> None:
        self._become(server, "ACTIVE")

    def snapshot(self, server: str, name: str) -> str:
        image = self._id("snapshot")
        self.images[image] = Image(image, "active", 1)
        return image

    def delete_server(self, server: str) -> None:
        del self.servers[server]
        del self.machines[server]

    # Tenant: volumes

    def create_volume(self, name: str, size_gb: int, image: str | None = None) -> str:
        volume = self._id("volume")
        self.volumes[volume] = Volume(volume, "available", size_gb)
        if image is not None:
            self.content[volume] = self.content[image]
        return volume

    def volume(self, volume: str) -> Volume | None:
        return self.volumes.get(volume)

    def explain_volume(self, volume: str) -> str:
        return "extend volume: the driver said no" if self.broken == "extend" else ""

    def _volume(self, volume: str, status: str) -> None:
        self.volumes[volume] = replace(self.volumes[volume], status=status)

    def attach(self, server: str, volume: str) -> None:
        self._volume(volume, "in-use")
        disk = InstanceDisk(f"[compute-ds] {volume}/{volume}.vmdk", self.volumes[volume].size_gb * GIB)
        machine = self.machines[server]
        if self.broken != "attach":
            self.machines[server] = replace(machine, disks=(*machine.disks, disk))

    def detach(self, server: str, volume: str) -> None:
        self._volume(volume, "available")
        machine = self.machines[server]
        self.machines[server] = replace(machine, disks=machine.disks[:1])

    def extend(self, volume: str, size_gb: int) -> None:
        if self.broken == "extend":
            self._volume(volume, "error_extending")
        else:
            self.volumes[volume] = replace(self.volumes[volume], size_gb=size_gb)

    def volume_to_image(self, volume: str, name: str) -> str:
        image = self._id("upload")
        self.images[image] = Image(image, "active", 1)
        self.content[image] = self.content[volume]
        return image

    def delete_volume(self, volume: str) -> None:
        if self.broken != "volume stays":
            del self.volumes[volume]

    # InstanceInventory

    def instance(self, uuid: str) -> InstanceVm | None:
        return self.machines.get(uuid)

    def managed_vms(self) -> tuple[ManagedVm, ...]:
        shadow = [ManagedVm(v, v, STORAGE_EXTENSION) for v in self.volumes]
        return (*shadow, *(ManagedVm(m.name, u, COMPUTE_EXTENSION) for u, m in self.machines.items()))

    def port_group_vlans(self, site: Site) -> Mapping[str, int | None]:
        return dict.fromkeys((*self.networks.values(), "management"), self.vlan)

    def entries(self, site: Site, datastore: str, directory: str, patterns: Sequence[str]) -> tuple[str, ...]:
        present: dict[tuple[str, str], list[str]] = {
            ("compute-ds", ""): ["viaduct_base", *self.servers],
            ("compute-ds", "viaduct_base"): sorted(self.cache),
            ("shared-ds", ""): ["openstack_glance_c1"],
            ("shared-ds", "openstack_glance_c1"): list(self.images),
        }
        if self.broken == "file stays":
            present["compute-ds", ""] += [f"{i}.lck" for i in self.content]
        listed = present.get((datastore, directory), [])
        return tuple(e for e in listed if any(fnmatch(e, p) for p in patterns))

    def delete_directory(self, site: Site, path: str) -> None:
        self.cache.discard(path.rpartition("/")[2])

    def delete_folder(self, site: Site, path: str) -> None:
        self.calls.append(f"delete folder {path}")
