"""Logging in to a node."""

from __future__ import annotations

from viaduct.documents.problems import did_you_mean
from viaduct.errors import InputError, NodeUnreachable
from viaduct.model.cloud import CloudSpec
from viaduct.services.tools import CloudTools


def login_command(tools: CloudTools, spec: CloudSpec, name: str) -> tuple[str, ...]:
    """The argument vector that logs in to the node. Raises :class:`InputError`, :class:`NodeUnreachable`."""
    node = next((node for node in spec.nodes if node.name == name), None)
    if node is None:
        hint = did_you_mean(name, (node.name for node in spec.nodes))
        raise InputError(f"The cloud '{spec.name}' has no node '{name}'.", hint)
    vm = next((vm for vm in tools.vsphere.nodes(spec.name) if vm.node == name), None)
    if vm is None or vm.power != "poweredOn":
        state = "has no VM" if vm is None else "is switched off"
        raise NodeUnreachable(f"The node '{name}' {state}.", "Bring it up with './viaduct up'.")
    if not vm.host_key:
        raise NodeUnreachable(
            f"The node '{name}' has not published its SSH host key since it was switched on.",
            "It may still be booting: try again in a moment. If that does not help, run './viaduct up', which "
            "shows its console when it does not answer.",
        )
    return tools.transport.interactive(node.management_address, vm.host_key)
