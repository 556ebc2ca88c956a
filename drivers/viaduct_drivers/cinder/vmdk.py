"""The volume driver, `volume_driver = viaduct_drivers.cinder.vmdk.ViaductVmdkDriver`.

Upstream: cinder/volume/drivers/vmware/vmdk.py. Corrected, method by method:
it does not start on vCenter 9 (`pbm_version`); growing an attached volume fails on the lock that the running
server holds; a volume from an OVA fails, because the OVA's size is taken for the disk's; its statistics count
datastores that volumes may not use; and it does not see where an image lies since Glance 2024.2 tells
services in another way.
"""

from __future__ import annotations

from typing import Any

from cinder import exception, interface
from cinder.volume.drivers.vmware import datastore as hub
from cinder.volume.drivers.vmware import vmdk
from oslo_log import log as logging
from oslo_vmware import rw_handles

from viaduct_drivers.cinder import pbm_version
from viaduct_drivers.cinder.volumeops import ViaductVolumeOps
from viaduct_drivers.ova import NoDisk, first_disk

LOG = logging.getLogger(__name__)


@interface.volumedriver
class ViaductVmdkDriver(vmdk.VMwareVcVmdkDriver):
    """Cinder's VMDK driver with corrections."""

    def do_setup(self, context: Any) -> None:
        """Set up as upstream, then put our volume operations in place."""
        super().do_setup(context)
        limit = self.configuration.vmware_max_objects_retrieval
        operations = ViaductVolumeOps(self.session, limit, vmdk.EXTENSION_KEY, vmdk.EXTENSION_TYPE)
        operations._backing_ref_cache = self.volumeops._backing_ref_cache
        self._volumeops: Any = operations
        self._ds_sel = hub.DatastoreSelector(operations, self.session, limit, ds_regex=self._ds_regex)

    def _get_vc_version(self) -> str:
        actual = super()._get_vc_version()
        fitting = pbm_version.fitting(actual, pbm_version.shipped())
        if fitting != actual:
            LOG.info("vCenter %s is addressed as version %s", actual, fitting)
        return fitting

    def _is_datastore_accessible(self, ds_summary: Any, *args: Any) -> bool:
        allowed = self._ds_regex is None or self._ds_regex.match(ds_summary.name) is not None
        return allowed and bool(super()._is_datastore_accessible(ds_summary, *args))

    def extend_volume(self, volume: Any, new_size: int) -> None:
        """Grow a volume to `new_size` GiB, through the server's virtual machine while it is attached.

        A running server has the disk's file locked, so that only its own virtual machine can grow it.
        """
        server = next((a.instance_uuid for a in volume.volume_attachment or [] if a.instance_uuid), None)
        if server is None:
            super().extend_volume(volume, new_size)
            return
        vm_ref = self.volumeops.get_backing_by_uuid(server)
        disk_uuid = vm_ref and self._get_volume_device_uuid(vm_ref, volume.id)
        if not disk_uuid:
            raise exception.InvalidVolume(
                reason=f"server {server} has no disk that is the attached volume {volume.id}"
            )
        self.volumeops.grow_attached_disk(vm_ref, disk_uuid, new_size)

    def _fetch_stream_optimized_image(
        self, context: Any, volume: Any, image_service: Any, image_id: str, image_size: int, adapter_type: str
    ) -> None:
        if image_service.show(context, image_id).get("container_format") == "ova":
            stream = rw_handles.ImageReadHandle(image_service.download(context, image_id))
            try:
                # The descriptor and the disk's header are the first thing in the OVA: little is read.
                with first_disk(stream) as (_disk, image_size):
                    pass
            except NoDisk as error:
                raise exception.ImageUnacceptable(image_id=image_id, reason=str(error)) from error
        super()._fetch_stream_optimized_image(
            context, volume, image_service, image_id, image_size, adapter_type
        )

    def _get_vsphere_url(self, context: Any, image_service: Any, image_id: str) -> str | None:
        direct_url, locations = image_service.get_location(context, image_id)
        urls = [direct_url, *(location.get("url") for location in locations or [])]
        return next((url for url in urls if url and url.startswith("vsphere://")), None)
