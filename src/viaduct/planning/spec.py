"""From what a person asks for to a whole cloud spec."""

from __future__ import annotations

from collections.abc import Container, Mapping
from dataclasses import replace
from ipaddress import IPv4Address

from viaduct.errors import SpecError
from viaduct.model.cloud import CloudSpec, Node
from viaduct.model.site import Site
from viaduct.planning.addresses import AddressPool
from viaduct.planning.modes import Mode, NodeLayout, mode_of
from viaduct.planning.request import DEFAULT_NAME, NodeRequest, SpecRequest


def complete(
    request: SpecRequest,
    site: Site,
    existing: CloudSpec | None = None,
    used: Container[IPv4Address] = (),
) -> CloudSpec:
    """The whole spec.

    What the request leaves out comes from ``existing`` (so that planning again changes nothing), then from
    the mode; addresses come from the site's ranges, past those in ``used``. Raises :class:`SpecError`.
    """
    mode = mode_of(request.mode)
    if existing and existing.mode != mode.name:
        raise SpecError(
            f"The cloud '{existing.name}' has the mode '{existing.mode}'; "
            f"changing it to '{mode.name}' is not possible.",
            "Deploy the other mode under another --name.",
        )
    asked = _requests(request, mode)
    known = {node.name: node for node in existing.nodes} if existing else {}
    management = AddressPool("networks.management", site.management_network, used)
    external = AddressPool("networks.external", site.external_network, used)
    asked = [_keep(node, known.get(node.name), site) for node in asked]
    _reserve(asked, management, external)
    layouts = {layout.name: layout for layout in mode.nodes}
    nodes = tuple(_node(n, layouts[n.name], management, external) for n in asked)
    # Without a load balancer pair the endpoint is at the first node's own addresses.
    return CloudSpec(
        name=request.name or (existing.name if existing else DEFAULT_NAME),
        mode=mode.name,
        nodes=nodes,
        public_address=request.public_address or nodes[0].external_address,
        internal_address=request.internal_address or nodes[0].management_address,
        region=request.region,
        options=_options(request, existing),
    )


def merge(request: SpecRequest, *, name: str | None, mode: str | None) -> SpecRequest:
    """The request with what the command line says on top."""
    return replace(request, name=name or request.name, mode=mode or request.mode)


def _options(
    request: SpecRequest, existing: CloudSpec | None
) -> Mapping[str, Mapping[str, Mapping[str, str]]]:
    return request.options or (existing.options if existing else {})


def _requests(request: SpecRequest, mode: Mode) -> list[NodeRequest]:
    given = {node.name: node for node in request.nodes}
    names = [layout.name for layout in mode.nodes]
    unknown = sorted(set(given) - set(names))
    if unknown:
        raise SpecError(
            f"The mode '{mode.name}' has no node '{unknown[0]}'.", f"Its nodes: {', '.join(names)}."
        )
    return [given.get(name, NodeRequest(name)) for name in names]


def _keep(asked: NodeRequest, known: Node | None, site: Site) -> NodeRequest:
    """``asked`` with what the existing node has where nothing is said.

    Addresses that the site's networks no longer hold are dropped: the site was renumbered.
    """
    if known is None:
        return asked
    addresses = {
        "management_address": (known.management_address, site.management_network.cidr),
        "external_address": (known.external_address, site.external_network.cidr),
    }
    kept = {key: value for key, (value, cidr) in addresses.items() if value in cidr}
    for key, value in {"cpus": known.cpus, "memory_mb": known.memory_mb, **kept}.items():
        given = getattr(asked, key)
        if given is not None and given != value:
            raise SpecError(
                f"nodes: '{known.name}' has {key} {value}; changing it to {given} is not yet possible.",
                "Leave the value as it is, or remove the cloud first (down --purge).",
            )
    return NodeRequest(
        name=asked.name,
        roles=asked.roles,
        cpus=known.cpus,
        memory_mb=known.memory_mb,
        management_address=kept.get("management_address", asked.management_address),
        external_address=kept.get("external_address", asked.external_address),
    )


def _reserve(asked: list[NodeRequest], management: AddressPool, external: AddressPool) -> None:
    for node in asked:
        if node.management_address:
            management.reserve(node.management_address)
        if node.external_address:
            external.reserve(node.external_address)


def _node(asked: NodeRequest, layout: NodeLayout, management: AddressPool, external: AddressPool) -> Node:
    roles = asked.roles or layout.roles
    unknown = [role for role in roles if role not in layout.roles]
    if unknown:
        raise SpecError(
            f"The node '{asked.name}' cannot have the role '{unknown[0]}'.",
            f"Its roles: {', '.join(layout.roles)}.",
        )
    missing = [role for role in layout.roles if role not in roles]
    if missing:
        raise SpecError(
            f"The node '{asked.name}' lacks the role '{missing[0]}', and no other node has it.",
            f"Give it, or leave out 'roles' altogether: {', '.join(layout.roles)}.",
        )
    return Node(
        name=asked.name,
        roles=layout.roles,
        cpus=asked.cpus or layout.cpus,
        memory_mb=asked.memory_mb or layout.memory_mb,
        management_address=asked.management_address or management.next(asked.name),
        external_address=asked.external_address or external.next(asked.name),
    )
