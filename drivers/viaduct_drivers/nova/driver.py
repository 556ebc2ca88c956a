"""The compute driver, `compute_driver = viaduct_vsphere.ViaductVCDriver`."""

from __future__ import annotations

from typing import Any, ClassVar

import nova.conf
from nova import context as nova_context
from nova import exception, objects
from nova.virt.vmwareapi import driver
from oslo_log import log as logging

from viaduct_drivers.nova import config, patches, resize
from viaduct_drivers.nova.vmops import ViaductVMOps
from viaduct_drivers.nova.volumes import ViaductVolumeOps

LOG = logging.getLogger(__name__)
CONF = nova.conf.CONF


class ViaductVCDriver(driver.VMwareVCDriver):
    """Nova's vmwareapi driver with corrections; each method names the module that says what and why."""

    capabilities: ClassVar[dict[str, bool]] = {
        **driver.VMwareVCDriver.capabilities,
        "supports_extend_volume": True,
    }

    def __init__(self, virtapi: Any, scheme: str = "https") -> None:
        config.register(CONF)
        patches.install()
        super().__init__(virtapi, scheme)
        self._volumeops = ViaductVolumeOps(self._session, self._cluster_ref)
        self._vmops = ViaductVMOps(
            self._session, virtapi, self._volumeops, self._cluster_ref, datastore_regex=self._datastore_regex
        )
        self._tolerate_once = False

    def init_host(self, host: str) -> None:
        """Also learn whether the compute service is new in the database (`ownership`)."""
        super().init_host(host)
        self._tolerate_once = not CONF.viaduct_vsphere.refuse_unknown_instances and _is_new(host)

    def list_instance_uuids(self) -> list[str]:
        """This cloud's instances (`ownership`).

        The first question after `init_host` is Nova's check that a new service finds no instances.
        """
        uuids = super().list_instance_uuids()
        if uuids and self._tolerate_once:
            LOG.warning(
                "this compute service is new in the database, but cluster %s holds %d virtual machines of "
                "this cloud, which it does not know: %s",
                self._cluster_name, len(uuids), ", ".join(uuids),
            )  # fmt: skip
            uuids = []
        self._tolerate_once = False
        return uuids

    def extend_volume(
        self, context: Any, connection_info: dict[str, Any], instance: Any, requested_size: int
    ) -> None:
        """Grow an attached volume to `requested_size` bytes (`volumes`)."""
        self._volumeops.extend_volume(connection_info, instance, requested_size)

    def migrate_disk_and_power_off(
        self,
        context: Any,
        instance: Any,
        dest: str,
        flavor: Any,
        network_info: Any,
        block_device_info: Any = None,
        timeout: float = 0,
        retry_interval: float = 0,
    ) -> Any:
        """Resize (`resize`); unlike upstream's, the guest is shut down softly first."""
        resize.refuse_another_cluster(context, instance)
        self._vmops.power_off(instance, timeout, retry_interval)
        if resize.boots_from_volume(block_device_info):
            return self._vmops.resize_without_root_disk(context, instance, flavor)
        return self._vmops.migrate_disk_and_power_off(context, instance, dest, flavor)

    def check_can_live_migrate_destination(self, *args: Any, **kwargs: Any) -> Any:
        """Upstream fails without datastore_regex: the field that carries it takes no None."""
        if CONF.vmware.datastore_regex:
            return super().check_can_live_migrate_destination(*args, **kwargs)
        return objects.VMwareLiveMigrateData(cluster_name=CONF.vmware.cluster_name, datastore_regex=".*")


def _is_new(host: str) -> bool:
    try:
        objects.Service.get_by_compute_host(nova_context.get_admin_context(), host)
    except exception.NotFound:
        return True
    return False
