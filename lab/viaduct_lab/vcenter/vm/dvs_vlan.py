"""VLANs in the port settings of distributed switches."""

from __future__ import annotations

from typing import Any

from viaduct_lab.vcenter.core import faults
from viaduct_lab.vcenter.core.types import vim

_s = vim.dvs.VmwareDistributedVirtualSwitch
MAX_VLAN = 4094


def access(vlan: int) -> Any:
    """Port settings of an access VLAN; 0: untagged."""
    return _s.VmwarePortConfigPolicy(vlan=_s.VlanIdSpec(inherited=False, vlanId=vlan))


def trunk(first: int = 0, last: int = MAX_VLAN) -> Any:
    """Port settings of a trunk."""
    ranges = [vim.NumericRange(start=first, end=last)]
    return _s.VmwarePortConfigPolicy(vlan=_s.TrunkVlanSpec(inherited=False, vlanId=ranges))


def access_vlan(setting: Any) -> int:
    """The access VLAN of port settings; 0 if untagged or anything else."""
    vlan = getattr(setting, "vlan", None)
    return int(vlan.vlanId) if isinstance(vlan, _s.VlanIdSpec) else 0


def is_trunk(setting: Any) -> bool:
    """Whether port settings make a trunk."""
    return isinstance(getattr(setting, "vlan", None), _s.TrunkVlanSpec)


def check(setting: Any) -> None:
    """Raise ``InvalidArgument`` for VLANs that cannot be."""
    vlan = getattr(setting, "vlan", None)
    name = "spec.defaultPortConfig.vlan.vlanId"
    if isinstance(vlan, _s.VlanIdSpec) and not 0 <= vlan.vlanId <= MAX_VLAN:
        raise faults.invalid_argument(name, f"{vlan.vlanId} is not a VLAN id (0 to {MAX_VLAN}).")
    if isinstance(vlan, _s.TrunkVlanSpec):
        for span in vlan.vlanId:
            if not 0 <= span.start <= span.end <= MAX_VLAN:
                raise faults.invalid_argument(name, f"{span.start}-{span.end} is no VLAN range.")
    if isinstance(vlan, _s.PvlanSpec):
        raise faults.not_supported("Private VLANs are not simulated.")
