"""The upstream functions that are replaced, all in one place.

They are functions of modules, called by upstream through their modules, so a subclass cannot reach them.
"""

from __future__ import annotations

from nova.virt.vmwareapi import images, vim_util, vm_util
from oslo_vmware import vim_util as vmware_util

from viaduct_drivers.nova import create_vm, ova, uploads


def install() -> None:
    """Put ours in place; again is harmless."""
    images.upload_iso_to_datastore = uploads.upload_iso_to_datastore
    images.fetch_image = uploads.fetch_image
    images.fetch_image_ova = ova.fetch_image_ova
    vm_util.create_vm = create_vm.create_vm
    # Upstream: nova/virt/vmwareapi/ds_util.py, _filter_datastores_matching_storage_policy, calls this
    # function in a module that does not have it: any boot with storage policies ends in an AttributeError.
    vim_util.get_moref_value = vmware_util.get_moref_value
