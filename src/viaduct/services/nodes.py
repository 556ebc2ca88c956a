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
    if vm is None or not vm.host_key:
        raise NodeUnreachable(
            f"The node '{name}' has no VM that has been started.", "Bring it up with './viaduct up'."
        )
    return tools.transport.interactive(node.management_address, vm.host_key)
