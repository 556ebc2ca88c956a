"""Faults that a test has ordered: method M fails n times with fault F."""

from __future__ import annotations

from dataclasses import dataclass

from viaduct_lab.vcenter.core import faults


@dataclass
class _Order:
    fault: str
    message: str
    times: int


class FaultInjection:
    """Ordered failures by SOAP method."""

    def __init__(self) -> None:
        self._orders: dict[str, list[_Order]] = {}

    def order(self, method: str, fault: str, message: str, times: int) -> None:
        """Let the next ``times`` calls of ``method`` fail with ``fault``.

        Raises ``ValueError`` for an unknown fault or a number below one.
        """
        faults.by_name(fault, message)
        if times < 1:
            raise ValueError("times must be at least 1")
        self._orders.setdefault(method, []).append(_Order(fault, message, times))

    def clear(self) -> None:
        """Forget all orders."""
        self._orders.clear()

    def pending(self) -> dict[str, int]:
        """How many failures are still to come, by method."""
        return {method: sum(o.times for o in orders) for method, orders in self._orders.items()}

    def raise_if_ordered(self, method: str) -> None:
        """Raise the fault that is due for a call of ``method``, if there is one."""
        orders = self._orders.get(method)
        if not orders:
            return
        order = orders[0]
        order.times -= 1
        if order.times == 0:
            orders.pop(0)
            if not orders:
                del self._orders[method]
        raise faults.by_name(order.fault, order.message)
