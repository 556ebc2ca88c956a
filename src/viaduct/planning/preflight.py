"""What a site lacks for a cloud, found before anything is made. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from viaduct.model.cloud import CloudSpec, Node
from viaduct.model.observed import ClusterFacts, NodeVm, SiteFacts
from viaduct.model.site import Site, SiteNetwork
from viaduct.planning.names import nearest, vm_name

GIB = 1 << 30
HTTPS_PORT = 443
NODE_DISK_BYTES = 20 * GIB
"""Least free space for one node's system disk, its database and its logs."""

Problem = tuple[str, str]


def check_site(site: Site, facts: SiteFacts, *, clones: bool = False) -> tuple[Problem, ...]:
    """Problems of the site file against vCenter: whatever it names must exist and be usable.

    The template is only needed where nodes will be cloned (``clones``).
    """
    if site.datacenter not in facts.datacenters:
        return (
            (
                f"datacenter: vCenter has no datacenter '{site.datacenter}'.",
                nearest(site.datacenter, facts.datacenters),
            ),
        )
    return (
        *_port(site),
        *_management(site, facts),
        *_compute(site, facts),
        *_image_datastore(site, facts),
        *_network("networks.management", site.management_network, facts),
        *_network("networks.external", site.external_network, facts),
        *_switch(site, facts),
        *(_template(site, facts) if clones else ()),
    )


def check_cloud(
    site: Site, spec: CloudSpec, facts: SiteFacts, nodes: Mapping[str, NodeVm], *, ours: bool
) -> tuple[Problem, ...]:
    """Problems of this cloud on this site: a foreign cloud of that name, template, space, addresses.

    ``nodes`` are the VMs that already say they belong to the cloud; ``ours`` tells whether this manager knows
    the cloud.
    """
    if nodes and not ours:
        names = ", ".join(sorted(vm.name for vm in nodes.values()))
        return (
            (
                f"A cloud named '{spec.name}' is already there ({names}), deployed by another manager.",
                "Choose another name with --name, or use the state directory that deployed it (--state).",
            ),
        )
    missing = [node for node in spec.nodes if node.name not in nodes]
    if not missing:
        return ()
    return (
        *_template(site, facts),
        *_space(site, facts, len(missing)),
        *_used_addresses(spec, facts, missing),
    )


def _port(site: Site) -> Iterator[Problem]:
    if site.vcenter.port != HTTPS_PORT:
        yield (
            f"vcenter.port: it is {site.vcenter.port}, but Glance's vSphere store reaches a vCenter "
            f"on port {HTTPS_PORT} only.",
            f"Name a vCenter that answers on port {HTTPS_PORT}.",
        )


def _management(site: Site, facts: SiteFacts) -> Iterator[Problem]:
    place = site.management
    cluster = facts.clusters.get(place.cluster)
    yield from _cluster("management.cluster", place.cluster, facts)
    yield from _datastore("management.datastore", place.datastore, cluster, facts)
    if cluster and place.resource_pool and place.resource_pool not in cluster.resource_pools:
        yield (
            f"management.resource_pool: the cluster '{place.cluster}' has no resource pool "
            f"'{place.resource_pool}'.",
            nearest(place.resource_pool, cluster.resource_pools),
        )
    for key in ("management", "external"):
        network = site.management_network if key == "management" else site.external_network
        name = network.port_group
        if cluster and cluster.hosts and name in facts.port_groups and name not in cluster.networks:
            yield (
                f"networks.{key}.port_group: the hosts of cluster '{place.cluster}' "
                f"are not connected to '{name}'.",
                "Add the hosts to its switch, or name a port group that they have. "
                + nearest(name, cluster.networks),
            )


def _compute(site: Site, facts: SiteFacts) -> Iterator[Problem]:
    for index, entry in enumerate(site.compute):
        yield from _cluster(f"compute[{index}].cluster", entry.cluster, facts)
        for at, name in enumerate(entry.datastores):
            field = f"compute[{index}].datastores[{at}]"
            yield from _datastore(field, name, facts.clusters.get(entry.cluster), facts)


def _image_datastore(site: Site, facts: SiteFacts) -> Iterator[Problem]:
    yield from _datastore("images.datastore", site.image_datastore, None, facts)


def _cluster(field: str, name: str, facts: SiteFacts) -> Iterator[Problem]:
    cluster = facts.clusters.get(name)
    if cluster is None:
        yield (f"{field}: there is no cluster '{name}'.", nearest(name, facts.clusters))
    elif not cluster.hosts:
        yield (
            f"{field}: the cluster '{name}' has no host that is connected and out of maintenance mode.",
            "Connect a host, or end its maintenance mode.",
        )


def _datastore(field: str, name: str, cluster: ClusterFacts | None, facts: SiteFacts) -> Iterator[Problem]:
    datastore = facts.datastores.get(name)
    if datastore is None:
        known = cluster.datastores if cluster else facts.datastores
        yield (f"{field}: there is no datastore '{name}'.", nearest(name, known))
    elif not datastore.accessible:
        yield (
            f"{field}: the datastore '{name}' is not accessible.",
            "Mount it on the hosts, or name another datastore.",
        )
    elif cluster and cluster.hosts and name not in cluster.datastores:
        yield (
            f"{field}: the hosts of cluster '{cluster.name}' do not mount the datastore '{name}'.",
            "Mount it there, or name one that they have. " + nearest(name, cluster.datastores),
        )


def _network(field: str, network: SiteNetwork, facts: SiteFacts) -> Iterator[Problem]:
    if network.port_group not in facts.port_groups:
        yield (
            f"{field}.port_group: there is no port group '{network.port_group}'.",
            nearest(network.port_group, facts.port_groups),
        )


def _switch(site: Site, facts: SiteFacts) -> Iterator[Problem]:
    name = site.tenant_networks.switch
    if name not in facts.switches:
        yield (
            f"tenant_networks.switch: there is no distributed switch '{name}'.",
            nearest(name, facts.switches),
        )


def _template(site: Site, facts: SiteFacts) -> Iterator[Problem]:
    if site.template not in facts.templates:
        yield (
            f"appliance.template: there is no template '{site.template}'.",
            "Deploy the appliance's OVA and convert it to a template, or correct the name. "
            + nearest(site.template, facts.templates),
        )


def _space(site: Site, facts: SiteFacts, count: int) -> Iterator[Problem]:
    datastore = facts.datastores.get(site.management.datastore)
    needed = count * NODE_DISK_BYTES
    if datastore and datastore.accessible and datastore.free < needed:
        yield (
            f"management.datastore: '{datastore.name}' has {datastore.free / GIB:.1f} GiB free; "
            f"{count} new node(s) need {needed / GIB:.0f} GiB.",
            "Free space there, or name another datastore.",
        )


def _used_addresses(spec: CloudSpec, facts: SiteFacts, missing: list[Node]) -> Iterator[Problem]:
    own = {vm_name(spec.name, node.name) for node in spec.nodes}
    for node in missing:
        for kind in ("management", "external"):
            address = str(getattr(node, f"{kind}_address"))
            holder = facts.used_addresses.get(address)
            if holder and holder not in own:
                yield (
                    f"The {kind} address {address} of '{node.name}' is in use by the VM '{holder}'.",
                    f"Take it out of networks.{kind}.ranges, or give the node another address in the spec.",
                )
