"""What vCenter shows of a tenant's things: the read model that a cloud's verification compares with."""

from __future__ import annotations

from dataclasses import dataclass

COMPUTE_EXTENSION = "org.openstack.compute"
STORAGE_EXTENSION = "org.openstack.storage"


@dataclass(frozen=True)
class InstanceDisk:
    """A virtual disk. ``path`` is its datastore path (``[ds] dir/name.vmdk``), ``capacity`` in bytes."""

    path: str
    capacity: int


@dataclass(frozen=True)
class InstanceNic:
    """A virtual network adapter. ``port_group`` is empty when it is connected to none that vCenter knows;
    ``vlan`` is None for a trunk or a port group without an access VLAN."""

    mac: str
    port_group: str
    vlan: int | None


@dataclass(frozen=True)
class InstanceVm:
    """A VM as vCenter has it, found by its instance UUID.

    ``memory_mb`` in MiB; ``power`` is vSphere's powerState value; ``cdrom_iso`` the datastore path of the
    image in its CD-ROM drive (empty: none).
    """

    instance_uuid: str
    name: str
    cluster: str
    host: str
    power: str
    cpus: int
    memory_mb: int
    disks: tuple[InstanceDisk, ...] = ()
    nics: tuple[InstanceNic, ...] = ()
    cdrom_iso: str = ""


@dataclass(frozen=True)
class ManagedVm:
    """A VM that an OpenStack service made: ``extension`` is its managedBy extension key."""

    name: str
    instance_uuid: str
    extension: str
