"""Boot from an OVA.

Upstream: nova/virt/vmwareapi/images.py, `fetch_image_ova`. It gives the size of the whole OVA as the size
of the disk inside, so the upload never reaches 100 %, the lease is aborted and the boot fails.
"""

from __future__ import annotations

from typing import Any

from nova import exception
from nova.virt.vmwareapi import images, vm_util
from oslo_vmware import rw_handles

from viaduct_drivers.ova import NoDisk, first_disk


def fetch_image_ova(
    context: Any,
    instance: Any,
    session: Any,
    vm_name: str,
    ds_name: str,
    vm_folder_ref: Any,
    res_pool_ref: Any,
) -> int:
    """Import the first disk of an OVA; takes and returns what upstream's does (the disk's bytes)."""
    source = rw_handles.ImageReadHandle(images.IMAGE_API.download(context, instance.image_ref))
    spec = images._build_import_spec_for_import_vapp(session, vm_name, ds_name)
    try:
        with first_disk(source) as (disk, size):
            lease = rw_handles.VmdkWriteHandle(
                session, session._host, session._port, res_pool_ref, vm_folder_ref, spec, size
            )
            images.image_transfer(disk, lease)
    except NoDisk as error:
        raise exception.ImageUnacceptable(image_id=instance.image_ref, reason=str(error)) from error
    imported = lease.get_imported_vm()
    capacity = int(vm_util.get_vmdk_info(session, imported).capacity_in_bytes)
    session._call_method(session.vim, "UnregisterVM", imported)
    return capacity
