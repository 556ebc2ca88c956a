"""What can be found wrong in a site file without asking its vCenter. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import combinations

from viaduct.documents.problems import Problem
from viaduct.model.site import AddressRange, Site, SiteNetwork

NETWORKS = ("management", "external")


def check(site: Site) -> list[Problem]:
    """Every problem of the site's own consistency, in the file's order."""
    problems = [*_compute(site)]
    for name in NETWORKS:
        problems += _network(f"networks.{name}", _network_of(site, name))
    problems += _between_networks(site)
    problems += _overlapping_vlans(site.tenant_networks.vlans)
    return problems


def _network_of(site: Site, name: str) -> SiteNetwork:
    return site.management_network if name == "management" else site.external_network


def _compute(site: Site) -> Iterator[Problem]:
    seen: set[str] = set()
    for index, entry in enumerate(site.compute):
        field = f"compute[{index}]"
        if entry.cluster in seen:
            yield Problem(
                f"{field}.cluster",
                f"the cluster '{entry.cluster}' is given twice",
                "Name all its datastores in one entry.",
            )
        seen.add(entry.cluster)
        for at, datastore in enumerate(entry.datastores):
            if datastore in entry.datastores[:at]:
                yield Problem(
                    f"{field}.datastores[{at}]",
                    f"the datastore '{datastore}' is given twice",
                    "Remove one.",
                )


def _network(field: str, network: SiteNetwork) -> Iterator[Problem]:
    cidr = network.cidr
    if cidr.prefixlen > 30:
        yield Problem(f"{field}.cidr", f"{cidr} is too small", "Give a network of /30 or larger.")
        return
    if network.gateway is not None and (
        network.gateway not in cidr or network.gateway in (cidr.network_address, cidr.broadcast_address)
    ):
        yield Problem(
            f"{field}.gateway",
            f"{network.gateway} is not a host address of {cidr}",
            "Give the router's address in that network.",
        )
    for index, span in enumerate(network.ranges):
        yield from _range(f"{field}.ranges[{index}]", span, network)
    for (i, one), (j, other) in combinations(enumerate(network.ranges), 2):
        if one.first <= other.last and other.first <= one.last:
            yield Problem(
                f"{field}.ranges[{j}]",
                f"{other} overlaps {one} of ranges[{i}]",
                "Join the two ranges.",
            )


def _range(field: str, span: AddressRange, network: SiteNetwork) -> Iterator[Problem]:
    cidr = network.cidr
    hosts = f"Stay within {cidr[1]}-{cidr[-2]}."
    if span.first not in cidr or span.last not in cidr:
        yield Problem(field, f"{span} is not inside {cidr}", hosts)
        return
    if cidr.network_address in span:
        yield Problem(field, f"{span} holds the network's own address {cidr[0]}", hosts)
    if cidr.broadcast_address in span:
        yield Problem(field, f"{span} holds the broadcast address {cidr[-1]}", hosts)
    if network.gateway is not None and network.gateway in span:
        yield Problem(
            field,
            f"{span} holds the gateway {network.gateway}",
            "Leave the gateway out of the range.",
        )


def _between_networks(site: Site) -> Iterator[Problem]:
    one, other = site.management_network, site.external_network
    if one.cidr.overlaps(other.cidr):
        yield Problem(
            "networks.external.cidr",
            f"{other.cidr} overlaps {one.cidr} of networks.management",
            "Use two separate networks: OpenStack's own traffic and the public endpoint must not mix.",
        )
    if one.port_group == other.port_group:
        yield Problem(
            "networks.external.port_group",
            f"'{other.port_group}' is networks.management's port group too",
            "Give a port group of its own.",
        )


def _overlapping_vlans(vlans: Sequence[tuple[int, int]]) -> Iterator[Problem]:
    for (i, one), (j, other) in combinations(enumerate(vlans), 2):
        if one[0] <= other[1] and other[0] <= one[1]:
            yield Problem(
                f"tenant_networks.vlans[{j}]",
                f"{other[0]}-{other[1]} overlaps {one[0]}-{one[1]} of vlans[{i}]",
                "Join the two ranges.",
            )
