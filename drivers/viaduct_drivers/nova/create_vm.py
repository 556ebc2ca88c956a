"""Create a virtual machine: a few short retries, and the mark of our cloud.

Upstream: nova/virt/vmwareapi/vm_util.py, `create_vm`. Its decorator retries every fault without a class of
its own 20 times, with pauses up to 20 s, so a wrong guest type keeps a server in BUILD for five minutes.
Its counters are shared by all threads and never go back, so after 20 failures nothing is retried any more.
A retry has its use: a host may learn a moment later than vCenter of a port group that was just made.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, Final

import nova.conf
from nova.virt.vmwareapi import vm_util
from oslo_log import log as logging
from oslo_vmware import exceptions as vmware_exceptions

from viaduct_drivers.nova import ownership

LOG = logging.getLogger(__name__)
CONF = nova.conf.CONF

PAUSES: Final = (1, 2, 4)
"""Seconds before the second, third and fourth try."""

# Kept before `patches` puts ours in its place; __wrapped__ is upstream's function without the decorator.
_create_once: Final[Callable[..., Any]] = vm_util.create_vm.__wrapped__


def create_vm(session: Any, instance: Any, vm_folder: Any, config_spec: Any, res_pool_ref: Any) -> Any:
    """Create a virtual machine and return its reference; takes what upstream's function takes."""
    ownership.mark(session.vim.client.factory, config_spec, CONF.viaduct_vsphere.cloud)
    for pause in PAUSES:
        try:
            return _create_once(session, instance, vm_folder, config_spec, res_pool_ref)
        except vmware_exceptions.VimFaultException as error:
            LOG.warning("creating the VM failed, next try in %d s: %s", pause, error, instance=instance)
            time.sleep(pause)
    return _create_once(session, instance, vm_folder, config_spec, res_pool_ref)
