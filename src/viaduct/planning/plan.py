"""The plan of a deployment: what is, what shall be, hence what to do. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from viaduct.model.cloud import CloudSpec, Node
from viaduct.model.observed import Observed
from viaduct.model.plan import Plan, Step
from viaduct.planning.digests import incarnation
from viaduct.planning.names import vm_name

ENSURE_FOLDER = "ensure-folder"
CLONE_NODE = "clone-node"
IDENTIFY_NODE = "identify-node"
POWER_ON_NODE = "power-on-node"
WAIT_NODE = "wait-node"
APPLY_STATE = "apply-state"
REGISTER_CATALOG = "register-catalog"
WAIT_SERVICES = "wait-services"
VERIFY = "verify"


@dataclass(frozen=True)
class Desired:
    """What shall be. ``node_digests``: node name -> digest of its rendered state; ``catalog`` as of
    :func:`viaduct.planning.digests.catalog_digest`; ``cloud`` as of ``cloud_digest``; ``verify``: whether a
    verification is wanted; ``folder`` is where the VMs go; ``template`` what they are cloned from."""

    spec: CloudSpec
    node_digests: Mapping[str, str]
    catalog: str
    cloud: str
    folder: str
    template: str
    verify: bool = True


def plan(desired: Desired, observed: Observed, services_down: tuple[str, ...] = ()) -> Plan:
    """Steps that bring what is observed to what is desired; none when nothing is to be done.

    ``services_down`` are the OpenStack services that were asked and do not work.
    """
    spec = desired.spec
    steps: list[Step] = []
    if any(node.name not in observed.nodes for node in spec.nodes) and not observed.folder_exists:
        steps.append(
            Step(ENSURE_FOLDER, spec.name, f"Create VM folder {desired.folder}", "it does not exist")
        )
    # All nodes are brought up first, then configured: cloning and booting of one overlaps none of another.
    steps += [step for node in spec.nodes for step in _bring_up(node, desired, observed)]
    steps += [step for node in spec.nodes for step in _configure(node, desired, observed)]
    steps += _catalog(desired, observed)
    if steps or services_down:
        steps.append(_wait_services(spec, services_down))
    if desired.verify and not _is_verified(desired, observed):
        reason = _why_verify(observed)
        steps.append(Step(VERIFY, spec.name, "Verify the cloud as a tenant", reason))
    return Plan(spec.name, tuple(steps))


def forecast(cloud: str, node_names: tuple[str, ...], *, verify: bool) -> Plan:
    """The steps of a first deployment, before the site can be asked."""
    steps = [Step(ENSURE_FOLDER, cloud, "Create VM folder")]
    for node in node_names:
        steps += [
            Step(CLONE_NODE, node, f"Clone {node} from template"),
            Step(IDENTIFY_NODE, node, f"Give {node} its identity"),
            Step(POWER_ON_NODE, node, f"Power on {node}"),
            Step(WAIT_NODE, node, f"Wait for {node}"),
        ]
    steps += [Step(APPLY_STATE, node, f"Configure {node}") for node in node_names]
    steps += [
        Step(REGISTER_CATALOG, cloud, "Register services in the catalog"),
        Step(WAIT_SERVICES, cloud, "Wait for OpenStack services"),
    ]
    if verify:
        steps.append(Step(VERIFY, cloud, "Verify the cloud as a tenant"))
    return Plan(cloud, tuple(steps))


def _why_missing(node: Node, vm: str, observed: Observed) -> str:
    """Why a node is cloned; a lost one that held the databases is no small matter."""
    if observed.registered is None or "database" not in node.roles:
        return f"there is no VM '{vm}'"
    return (
        f"VM '{vm}' is gone, and the cloud's databases with it: OpenStack starts empty, and what tenants "
        "made stays in vCenter, unknown to it"
    )


def _bring_up(node: Node, desired: Desired, observed: Observed) -> Iterator[Step]:
    """Clone, identity, power on, wait: as far as each is still needed."""
    vm = observed.nodes.get(node.name)
    name = vm_name(desired.spec.name, node.name)
    if vm is None:
        yield Step(
            CLONE_NODE,
            node.name,
            f"Clone {node.name} from template",
            f"{_why_missing(node, name, observed)}; template {desired.template}",
        )
    if vm is None or (vm.power != "poweredOn" and not vm.identified):
        yield Step(IDENTIFY_NODE, node.name, f"Give {node.name} its identity", "it has none yet")
    if vm is None or vm.power != "poweredOn":
        reason = "it is new" if vm is None else f"it is {vm.power}"
        yield Step(POWER_ON_NODE, node.name, f"Power on {node.name}", reason)
    if vm is None or node.name not in observed.reachable:
        yield Step(WAIT_NODE, node.name, f"Wait for {node.name}", "it does not answer yet")


def _configure(node: Node, desired: Desired, observed: Observed) -> Iterator[Step]:
    applied = observed.node_digests.get(node.name)
    if node.name in observed.nodes and applied == desired.node_digests[node.name]:
        return
    if node.name in observed.nodes and node.name not in observed.reachable:
        reason = "its state is not known"
    else:
        # A node tells no digest, too, when a unit or a file is not as its state says.
        reason = "its state differs" if applied else "it is not wholly in its state"
    yield Step(APPLY_STATE, node.name, f"Configure {node.name}", reason)


def _catalog(desired: Desired, observed: Observed) -> Iterator[Step]:
    # A cloned or reset node changes the incarnation, hence its empty database is registered again.
    if observed.registered == incarnation(desired.catalog, observed.nodes):
        return
    reason = "nodes or catalog have changed" if observed.registered else "it is not registered yet"
    yield Step(REGISTER_CATALOG, desired.spec.name, "Register services in the catalog", reason)


def _wait_services(spec: CloudSpec, services_down: tuple[str, ...]) -> Step:
    reason = f"down: {', '.join(services_down)}" if services_down else "nodes or catalog change"
    return Step(WAIT_SERVICES, spec.name, "Wait for OpenStack services", reason)


def _is_verified(desired: Desired, observed: Observed) -> bool:
    return observed.verified == incarnation(desired.cloud, observed.nodes)


def _why_verify(observed: Observed) -> str:
    return "it was never verified" if observed.verified is None else "it has changed since"
