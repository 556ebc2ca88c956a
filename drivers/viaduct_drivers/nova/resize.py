"""Resize: what upstream's resize would damage.

Upstream: nova/virt/vmwareapi/vmops.py.
`_remove_ephemerals_and_swap` finds disks by the words "ephemeral" and "swap" anywhere in their paths and
destroys them: on a datastore named so, all disks of the server. `migrate_disk_and_power_off` takes the
first disk for the server's own, also when it is a Cinder volume: it refuses flavors smaller than the
volume, and grows the volume behind Cinder's back for larger ones. It ignores the destination: a server
"migrated" to another cluster stays where it is.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any, Final

from nova import exception, objects
from oslo_log import log as logging

LOG = logging.getLogger(__name__)

# As vmops names them: vm_util.get_ephemeral_name, and "swap.vmdk".
_FLAVOR_DISK: Final = re.compile(r"(ephemeral_\d+|swap)(-\d{6})?\.vmdk")


def flavor_disks(devices: Iterable[Any]) -> list[Any]:
    """The ephemeral and swap disks that Nova made for the flavor, among a server's devices."""
    return [device for device in devices if _is_flavor_disk(device)]


def _is_flavor_disk(device: Any) -> bool:
    if type(device).__name__ != "VirtualDisk":
        return False
    path = getattr(device.backing, "fileName", None) or ""
    return _FLAVOR_DISK.fullmatch(path.rpartition("/")[2]) is not None


def boots_from_volume(block_device_info: Mapping[str, Any] | None) -> bool:
    """Tell whether the server's first disk is a Cinder volume."""
    mapping = (block_device_info or {}).get("block_device_mapping") or []
    return any(disk.get("boot_index") == 0 for disk in mapping)


def refuse_another_cluster(context: Any, instance: Any) -> None:
    """Raise InstanceFaultRollback if the migration goes to another compute service, so to another cluster."""
    migration = _migration_of(context, instance)
    if migration is None or migration.dest_compute == migration.source_compute:
        return
    raise exception.InstanceFaultRollback(
        exception.MigrationError(
            reason=f"the server would have to move from {migration.source_compute} to "
            f"{migration.dest_compute}; cold migration between clusters is not possible, live migration is"
        )
    )


def _migration_of(context: Any, instance: Any) -> Any:
    try:
        migration_context = instance.migration_context
        if migration_context is None:
            return None
        return objects.Migration.get_by_id(context, migration_context.migration_id)
    except exception.NovaException as error:
        LOG.debug("no migration of the instance is known: %s", error, instance=instance)
        return None
