"""Bringing the network links of a running guest in line with its adapters."""

from __future__ import annotations

from typing import TYPE_CHECKING

from viaduct_lab.vcenter.vm import guests, networks
from viaduct_lab.vcenter.vm.state import POWERED_OFF

if TYPE_CHECKING:
    from viaduct_lab.vcenter.kinds.virtual_machine import VirtualMachine


async def reconnect(machine: VirtualMachine) -> None:
    """Tell the runtime of the adapters' present connections; nothing for a simulated machine."""
    if machine.is_guest and machine.power_state != POWERED_OFF:
        nics = networks.guest_nics(machine.center, machine.state.devices)
        await guests.call(machine.center, "connect", machine.moid, nics)
