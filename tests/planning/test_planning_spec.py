"""Completing a spec: defaults, stability, refusals."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Address

import pytest

import fakes
from viaduct.errors import SpecError
from viaduct.model.site import AddressRange
from viaduct.planning.modes import MODES, TINY_ROLES, mode_of
from viaduct.planning.request import NodeRequest, SpecRequest
from viaduct.planning.spec import complete
from viaduct.roles.compose import RENDERERS

A = IPv4Address


def test_tiny_by_default() -> None:
    spec = complete(SpecRequest(), fakes.site())
    [node] = spec.nodes
    assert (spec.name, spec.mode, spec.region) == ("viaduct", "tiny", "RegionOne")
    assert (node.name, node.cpus, node.memory_mb) == ("node1", 2, 6144)
    assert spec.public_address == node.external_address == A("10.70.1.100")
    assert spec.internal_address == node.management_address == A("10.70.0.100")


def test_modes_have_roles_that_exist() -> None:
    assert all(set(n.roles) <= set(RENDERERS) for mode in MODES.values() for n in mode.nodes)
    assert {*TINY_ROLES, "base"} == set(RENDERERS), "tiny has all roles"


def test_addresses_are_stable_when_planned_again() -> None:
    site = fakes.site()
    first = complete(SpecRequest(), site, used={A("10.70.0.100")})
    assert first.nodes[0].management_address == A("10.70.0.101")
    assert complete(SpecRequest(), site, first) == first


def test_renumbered_site_gives_new_addresses() -> None:
    old = complete(SpecRequest(), fakes.site())
    site = replace(fakes.site(), management_network=fakes.network("management", 9))
    assert complete(SpecRequest(), site, old).nodes[0].management_address == A("10.70.9.100")


def test_asked_addresses_are_taken() -> None:
    asked = NodeRequest("node1", external_address=A("10.70.1.140"))
    spec = complete(SpecRequest(nodes=(asked,), internal_address=A("10.70.0.9")), fakes.site())
    assert spec.public_address == A("10.70.1.140")
    assert spec.internal_address == A("10.70.0.9")


def tight_site() -> object:
    site = fakes.site()
    one = AddressRange(A("10.70.0.100"), A("10.70.0.100"))
    return replace(site, management_network=replace(site.management_network, ranges=(one,)))


EXISTING = complete(SpecRequest(), fakes.site())

REFUSALS = [
    (SpecRequest(mode="ha"), None, "not yet available", "--mode tiny"),
    (SpecRequest(mode="huge"), None, "no mode 'huge'", "--mode tiny"),
    (SpecRequest(nodes=(NodeRequest("node2"),)), None, "no node 'node2'", "node1"),
    (SpecRequest(nodes=(NodeRequest("node1", roles=("database", "x")),)), None, "role 'x'", "database"),
    (SpecRequest(nodes=(NodeRequest("node1", roles=("database",)),)), None, "lacks the role", "leave out"),
    (
        SpecRequest(nodes=(NodeRequest("node1", management_address=A("10.9.9.9")),)),
        None,
        "not in networks.management",
        "10.70.0.100-10.70.0.149",
    ),
    (SpecRequest(nodes=(NodeRequest("node1", cpus=4),)), EXISTING, "changing it to 4", "down --purge"),
    (SpecRequest(), replace(EXISTING, mode="ha"), "has the mode 'ha'", "another --name"),
]


@pytest.mark.parametrize(("request_", "existing", "said", "remedy"), REFUSALS)
def test_refusal(request_: SpecRequest, existing: object, said: str, remedy: str) -> None:
    with pytest.raises(SpecError) as caught:
        complete(request_, fakes.site(), existing)  # type: ignore[arg-type]
    assert said in caught.value.sentence
    assert remedy in caught.value.remedy


def test_range_too_small() -> None:
    with pytest.raises(SpecError, match=r"networks\.management\.ranges has no free address") as caught:
        complete(SpecRequest(), tight_site(), used={A("10.70.0.100")})  # type: ignore[arg-type]
    assert "larger range" in caught.value.remedy


def test_unknown_mode_names_those_that_are_there() -> None:
    with pytest.raises(SpecError):
        mode_of("compact")
