"""The plans that stop or remove a cloud. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from viaduct.model.observed import NodeVm
from viaduct.model.plan import Plan, Step

SHUT_DOWN_NODE = "shut-down-node"
DELETE_NODE = "delete-node"
DELETE_FOLDER = "delete-folder"
FORGET_CLOUD = "forget-cloud"
STOP_LAB = "stop-lab"
PURGE_LAB = "purge-lab"


def stop(cloud: str, nodes: Mapping[str, NodeVm], *, lab: bool) -> Plan:
    """Shut down the nodes that run, last deployed first; then the lab if it is ours."""
    steps = [
        Step(SHUT_DOWN_NODE, name, f"Shut down {name}", f"it is {nodes[name].power}")
        for name in sorted(nodes, reverse=True)
        if nodes[name].power != "poweredOff"
    ]
    if lab:
        steps.append(Step(STOP_LAB, "lab", "Stop the lab"))
    return Plan(cloud, tuple(steps))


def remove(cloud: str, nodes: Mapping[str, NodeVm], *, folder: str | None, known: bool, lab: bool) -> Plan:
    """Delete the nodes in reverse, their ``folder`` (None: there is none), and what is kept of them here.

    ``known``: the manager has records of the cloud; ``lab``: the lab goes too.
    """
    steps = [
        Step(DELETE_NODE, name, f"Delete {name}", f"VM '{nodes[name].name}'")
        for name in sorted(nodes, reverse=True)
    ]
    if folder:
        steps.append(Step(DELETE_FOLDER, cloud, f"Delete VM folder {folder}"))
    if known:
        steps.append(Step(FORGET_CLOUD, cloud, "Delete the cloud's keys, certificates and records"))
    if lab:
        steps.append(Step(PURGE_LAB, "lab", "Remove the lab"))
    return Plan(cloud, tuple(steps))
