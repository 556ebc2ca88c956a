"""The clone that a snapshot is exported from must not pass for the server itself.

Upstream: nova/virt/vmwareapi/vmops.py, `_create_linked_clone_from_snapshot`. The clone keeps `nvp.vm-uuid`,
by which Nova finds servers when a search by UUID fails, so for the time of a snapshot two virtual machines
are the server, and a delete may hit the clone.
"""

from __future__ import annotations

from typing import Any

from nova.virt.vmwareapi import constants, vm_util
from oslo_utils import uuidutils
from oslo_vmware import vim_util

from viaduct_drivers.nova.ownership import CLOUD_KEY


def clone_for_export(session: Any, vm_ref: Any, snapshot_ref: Any, dc_info: Any) -> Any:
    """Make a linked clone of a snapshot, as a template without identity, and return its reference."""
    factory = session.vim.client.factory
    location = vm_util.relocate_vm_spec(
        factory, datastore=None, host=None, disk_move_type="createNewChildDiskBacking"
    )
    # An empty value removes the key.
    anonymous = vm_util.get_vm_extra_config_spec(factory, {"nvp.vm-uuid": "", CLOUD_KEY: ""})
    spec = vm_util.clone_vm_spec(
        factory, location, power_on=False, snapshot=snapshot_ref, template=True, config=anonymous
    )
    name = f"{constants.SNAPSHOT_VM_PREFIX}_{uuidutils.generate_uuid()}"
    task = session._call_method(
        session.vim, "CloneVM_Task", vm_ref, folder=dc_info.vmFolder, name=name, spec=spec
    )
    session._wait_for_task(task)
    return session._call_method(vim_util, "get_object_property", task, "info").result
