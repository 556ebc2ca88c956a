"""Tickets for a virtual machine's console, and its screenshot."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, Any

from viaduct_lab.vcenter.core import faults
from viaduct_lab.vcenter.core.kinds import extend
from viaduct_lab.vcenter.core.types import vim
from viaduct_lab.vcenter.kinds.virtual_machine import VirtualMachine
from viaduct_lab.vcenter.vm.config_view import vmx_path
from viaduct_lab.vcenter.vm.state import POWERED_ON

if TYPE_CHECKING:
    from viaduct_lab.vcenter.core.context import Call

_TYPES = ("mks", "webmks")


@extend("VirtualMachine", "AcquireTicket")
def acquire_ticket(machine: VirtualMachine, call: Call, args: Any) -> Any:
    """A ticket for the console on the machine's host. Nothing answers there: guests have no screen."""
    if args.ticketType not in _TYPES:
        raise faults.not_supported(f"Tickets of type {args.ticketType!r} are not simulated.")
    machine.require_power(POWERED_ON)
    host, center = machine.host, machine.center
    name, ticket = host.name if host is not None else "", secrets.token_hex(20)
    port = center.config.port
    return vim.VirtualMachine.Ticket(
        ticket=ticket,
        cfgFile=str(vmx_path(machine.state)),
        host=name,
        port=port,
        sslThumbprint=center.thumbprint,
        url=f"wss://{name}:{port}/ticket/{ticket}" if args.ticketType == "webmks" else None,
    )


@extend("VirtualMachine", "AcquireMksTicket")
def acquire_mks_ticket(machine: VirtualMachine, call: Call, args: Any) -> Any:
    """The older form of the same."""
    machine.require_power(POWERED_ON)
    host, center = machine.host, machine.center
    return vim.VirtualMachine.MksTicket(
        ticket=secrets.token_hex(20),
        cfgFile=str(vmx_path(machine.state)),
        host=host.name if host is not None else None,
        port=center.config.port,
        sslThumbprint=center.thumbprint,
    )
