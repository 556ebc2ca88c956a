"""Choosing addresses from a site's ranges."""

from __future__ import annotations

from collections.abc import Container, Iterator
from ipaddress import IPv4Address

from viaduct.errors import SpecError
from viaduct.model.site import AddressRange, SiteNetwork


def addresses_of(ranges: tuple[AddressRange, ...]) -> Iterator[IPv4Address]:
    """All addresses of the ranges, in order."""
    for span in ranges:
        for value in range(int(span.first), int(span.last) + 1):
            yield IPv4Address(value)


class AddressPool:
    """The free addresses of one network; each is handed out once.

    ``field`` names the network in messages (``networks.management``).
    """

    def __init__(self, field: str, network: SiteNetwork, used: Container[IPv4Address]) -> None:
        self._field = field
        self._network = network
        self._used = used
        self._taken: set[IPv4Address] = set()

    def reserve(self, address: IPv4Address) -> IPv4Address:
        """Take this very address. Raises :class:`SpecError` when it lies outside the network."""
        if address not in self._network.cidr:
            raise SpecError(
                f"The address {address} is not in {self._field} ({self._network.cidr}).",
                f"Choose one of {', '.join(map(str, self._network.ranges))}, or leave it out.",
            )
        self._taken.add(address)
        return address

    def next(self, purpose: str) -> IPv4Address:
        """Take the first free address. Raises :class:`SpecError` when there is none left."""
        for address in addresses_of(self._network.ranges):
            if address not in self._taken and address not in self._used:
                self._taken.add(address)
                return address
        size = sum(len(span) for span in self._network.ranges)
        raise SpecError(
            f"{self._field}.ranges has no free address left for {purpose}: "
            f"all of its addresses ({size}) are taken or in use by VMs.",
            f"Give {self._field} a larger range.",
        )
