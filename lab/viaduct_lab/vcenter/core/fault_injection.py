"""Faults that a test has ordered: method M fails n times with fault F."""

from __future__ import annotations

from dataclasses import dataclass

from viaduct_lab.vcenter.core import faults


@dataclass
class _Order:
    fault: str
    message: str
    times: int
    in_task: bool


class FaultInjection:
    """Ordered failures by SOAP method."""

    def __init__(self) -> None:
        self._orders: dict[str, list[_Order]] = {}

    def order(self, method: str, fault: str, message: str, times: int, *, in_task: bool = False) -> None:
        """Let the next ``times`` calls of ``method`` fail with ``fault``.

        With ``in_task`` the call of a ``…_Task`` method is answered well, and its task ends in error.

        Raises ``ValueError`` for an unknown fault or a number below one.
        """
        faults.by_name(fault, message)
        if times < 1:
            raise ValueError("times must be at least 1")
        self._orders.setdefault(method, []).append(_Order(fault, message, times, in_task))

    def clear(self) -> None:
        """Forget all orders."""
        self._orders.clear()

    def pending(self) -> dict[str, int]:
        """How many failures are still to come, by method."""
        return {method: sum(o.times for o in orders) for method, orders in self._orders.items()}

    def raise_if_ordered(self, method: str, *, in_task: bool = False) -> None:
        """Raise the fault that is due for a call (or the task) of ``method``, if there is one."""
        orders = self._orders.get(method)
        if not orders or orders[0].in_task != in_task:
            return
        order = orders[0]
        order.times -= 1
        if order.times == 0:
            orders.pop(0)
            if not orders:
                del self._orders[method]
        raise faults.by_name(order.fault, order.message)
