"""Looking at a cloud: what vCenter, its nodes and its services say."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from ipaddress import IPv4Address

from viaduct.errors import CloudError, NodeUnreachable, PreflightError
from viaduct.model.cloud import Cloud, CloudSpec, Node
from viaduct.model.observed import NodeVm, Observed, SiteFacts
from viaduct.model.record import CloudRecord
from viaduct.planning.digests import catalog_digest, cloud_digest, incarnation
from viaduct.planning.names import folder_of, vm_name
from viaduct.planning.plan import Desired
from viaduct.planning.preflight import check_cloud, check_site
from viaduct.planning.request import SpecRequest
from viaduct.planning.spec import complete
from viaduct.services.tools import CloudTools


@dataclass(frozen=True)
class SiteView:
    """What vCenter has, and the whole spec that follows from it and from what was asked for."""

    facts: SiteFacts
    nodes: Mapping[str, NodeVm]
    folder_exists: bool
    spec: CloudSpec
    record: CloudRecord | None


def look_at_site(tools: CloudTools, request: SpecRequest) -> SiteView:
    """Ask vCenter and complete the spec. Raises :class:`PreflightError` with all that the site lacks."""
    facts = tools.vsphere.facts(tools.site)
    nodes = {vm.node: vm for vm in tools.vsphere.nodes(tools.name)}
    problems = check_site(tools.site, facts, clones=not nodes)
    if problems:
        raise PreflightError(problems)
    record = tools.records.get(tools.name)
    existing = record.spec if record else None
    used = _used_addresses(tools, facts, existing)
    if nodes and not record:
        # Said before addresses are chosen: they would be someone else's.
        existing_spec = complete(request, tools.site)
        raise PreflightError(check_cloud(tools.site, existing_spec, facts, nodes, ours=False))
    spec = complete(request, tools.site, existing, used)
    problems = check_cloud(tools.site, spec, facts, nodes, ours=True)
    if problems:
        raise PreflightError(problems)
    folder = tools.vsphere.folder_exists(tools.site, folder_of(tools.site, tools.name))
    return SiteView(facts, nodes, folder, spec, record)


def _used_addresses(
    tools: CloudTools, facts: SiteFacts, existing: CloudSpec | None
) -> frozenset[IPv4Address]:
    """Addresses that VMs report, and those of our other clouds, whose nodes may be off."""
    own = {vm_name(tools.name, node.name) for node in existing.nodes} if existing else set()
    seen = {IPv4Address(a) for a, holder in facts.used_addresses.items() if _is_v4(a) and holder not in own}
    others = (record.spec for record in tools.records.all() if record.name != tools.name)
    for other in others:
        seen |= {other.public_address, other.internal_address}
        seen |= {node.management_address for node in other.nodes}
        seen |= {node.external_address for node in other.nodes}
    return frozenset(seen)


def desired(
    tools: CloudTools, spec: CloudSpec, cloud: Cloud | None, digests: Mapping[str, str], *, verify: bool
) -> Desired:
    """What shall be. Without ``cloud`` (nothing of it was made yet) every digest is a new one."""
    catalog = catalog_digest(cloud) if cloud else "new"
    return Desired(
        spec=spec,
        node_digests=digests or {node.name: "new" for node in spec.nodes},
        catalog=catalog,
        cloud=cloud_digest(digests, catalog),
        folder=folder_of(tools.site, spec.name),
        template=tools.site.template,
        verify=verify,
    )


def node_digests(tools: CloudTools, cloud: Cloud) -> dict[str, str]:
    """Digest of each node's rendered state."""
    return {node.name: tools.render(cloud, node).digest() for node in cloud.spec.nodes}


@dataclass(frozen=True)
class CloudView:
    """What is, and the services that were asked and do not work."""

    observed: Observed
    services: Mapping[str, bool]

    @property
    def services_down(self) -> tuple[str, ...]:
        return tuple(sorted(name for name, up in self.services.items() if not up))


def look_at_cloud(tools: CloudTools, view: SiteView, cloud: Cloud | None) -> CloudView:
    """Ask nodes and services, all at once."""
    record = view.record
    registered = record.registered if record else None
    running = [n for n in view.spec.nodes if _runs(view.nodes.get(n.name))]
    with ThreadPoolExecutor(max_workers=8, thread_name_prefix="observe") as pool:
        asked = {node.name: pool.submit(_digest, tools, node, view.nodes[node.name]) for node in running}
        complete_catalog = cloud is not None and registered == incarnation(catalog_digest(cloud), view.nodes)
        ask_services = cloud is not None and complete_catalog and len(running) == len(view.spec.nodes)
        services = pool.submit(_services, tools, cloud) if cloud is not None and ask_services else None
        found = {name: future.result() for name, future in asked.items()}
        reachable = frozenset(name for name, (answers, _) in found.items() if answers)
        all_reachable = len(reachable) == len(view.spec.nodes)
        up = services.result() if services else {}
    observed = Observed(
        facts=view.facts,
        folder_exists=view.folder_exists,
        nodes=view.nodes,
        node_digests={name: digest for name, (_, digest) in found.items() if digest},
        reachable=reachable,
        registered=registered,
        verified=record.verified if record else None,
    )
    return CloudView(observed, up if all_reachable else {})


def _runs(vm: NodeVm | None) -> bool:
    return vm is not None and vm.power == "poweredOn" and bool(vm.host_key)


def _digest(tools: CloudTools, node: Node, vm: NodeVm) -> tuple[bool, str | None]:
    try:
        return True, tools.applier.digest(node, vm.host_key, tools.patience.look)
    except NodeUnreachable:
        return False, None


def _services(tools: CloudTools, cloud: Cloud) -> Mapping[str, bool]:
    try:
        return tools.openstack(cloud).services_up()
    except CloudError as error:
        return {f"API ({error.sentence})": False}


def _is_v4(address: str) -> bool:
    try:
        IPv4Address(address)
    except ValueError:
        return False
    return True
