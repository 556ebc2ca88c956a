"""How a cloud is, at one look."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from viaduct.errors import ViaductError
from viaduct.model.cloud import CloudSpec
from viaduct.planning.digests import catalog_digest, cloud_digest, incarnation
from viaduct.planning.request import SpecRequest
from viaduct.services import access
from viaduct.services.assemble import assemble
from viaduct.services.observe import CloudView, look_at_cloud, look_at_site, node_digests
from viaduct.services.tools import CloudTools


@dataclass(frozen=True)
class NodeStatus:
    """``state`` is current, outdated, none, or unknown (it does not answer)."""

    name: str
    vm: str
    power: str
    answers: bool
    state: str
    management_address: str
    external_address: str


@dataclass(frozen=True)
class CloudStatus:
    """``health`` is ok, degraded, stopped or absent. ``services``: name -> works."""

    name: str
    mode: str
    health: str
    endpoint: str
    verified: bool
    nodes: tuple[NodeStatus, ...]
    services: dict[str, bool]
    problems: tuple[str, ...] = ()

    def document(self) -> dict[str, Any]:
        """As plain data for JSON."""
        return {
            "name": self.name,
            "mode": self.mode,
            "health": self.health,
            "endpoint": self.endpoint,
            "verified": self.verified,
            "nodes": [vars(node) for node in self.nodes],
            "services": self.services,
            "problems": list(self.problems),
        }


def status(tools: CloudTools, spec: CloudSpec) -> CloudStatus:
    """Look at a cloud that this manager deployed. What cannot be asked is told in ``problems``."""
    site = look_at_site(tools, SpecRequest(name=spec.name, mode=spec.mode))
    cloud = assemble(tools, site.spec)
    digests = node_digests(tools, cloud)
    view = look_at_cloud(tools, site, cloud)
    whole = incarnation(cloud_digest(digests, catalog_digest(cloud)), view.observed.nodes)
    nodes = tuple(
        NodeStatus(
            name=node.name,
            vm=site.nodes[node.name].name if node.name in site.nodes else "",
            power=site.nodes[node.name].power if node.name in site.nodes else "absent",
            answers=node.name in view.observed.reachable,
            state=_state(node.name, digests[node.name], view),
            management_address=str(node.management_address),
            external_address=str(node.external_address),
        )
        for node in site.spec.nodes
    )
    return CloudStatus(
        name=spec.name,
        mode=spec.mode,
        health=_health(nodes, view),
        endpoint=access.endpoint(cloud),
        verified=view.observed.verified == whole,
        nodes=nodes,
        services=dict(view.services),
    )


def unreachable(spec: CloudSpec, error: ViaductError, *, stopped: bool) -> CloudStatus:
    """The status of a cloud whose vCenter cannot be asked."""
    return CloudStatus(
        name=spec.name,
        mode=spec.mode,
        health="stopped" if stopped else "unknown",
        endpoint=f"https://{spec.public_address}:5000/v3",
        verified=False,
        nodes=(),
        services={},
        problems=(f"{error.sentence} {error.remedy}".strip(),),
    )


def _state(node: str, wanted: str, view: CloudView) -> str:
    if node not in view.observed.reachable:
        return "unknown" if node in view.observed.nodes else "none"
    applied = view.observed.node_digests.get(node)
    return "none" if applied is None else "current" if applied == wanted else "outdated"


def _health(nodes: tuple[NodeStatus, ...], view: CloudView) -> str:
    powers = {node.power for node in nodes}
    if powers == {"absent"}:
        return "absent"
    if powers <= {"poweredOff", "absent"}:
        return "stopped"
    whole = all(node.answers and node.state == "current" for node in nodes)
    return "ok" if whole and view.services and not view.services_down else "degraded"
