"""One operation at a time on a virtual machine."""

from __future__ import annotations

import functools
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from viaduct_lab.vcenter.kinds.virtual_machine import VirtualMachine

R = TypeVar("R")


def locked(body: Callable[..., Awaitable[R]]) -> Callable[..., Awaitable[R]]:
    """Run the body of a machine's method when no other locked one runs on it.

    A real vCenter would answer ``TaskInProgress`` to some of these; waiting is what a client that
    retries sees in the end. Raises ``ManagedObjectNotFound`` if the machine has gone meanwhile.
    """

    @functools.wraps(body)
    async def run(machine: VirtualMachine, *arguments: Any) -> R:
        async with machine.busy:
            machine.require_alive()
            return await body(machine, *arguments)

    return run
