"""A node's state: its roles' parts put together."""

from __future__ import annotations

from collections.abc import Callable

from viaduct.errors import SpecError
from viaduct.model.cloud import Cloud, Node
from viaduct.model.node_state import File, NodeState
from viaduct.roles import (
    base,
    cache,
    compute,
    compute_api,
    database,
    identity,
    image,
    loadbalancer,
    messaging,
    network,
    placement,
    volume,
)
from viaduct.roles.state import RoleState, merge_waves

Renderer = Callable[[Cloud, Node], RoleState]

RENDERERS: dict[str, Renderer] = {
    "base": base.render,
    "database": database.render,
    "messaging": messaging.render,
    "cache": cache.render,
    "loadbalancer": loadbalancer.render,
    "identity": identity.render,
    "placement": placement.render,
    "image": image.render,
    "compute-api": compute_api.render,
    "compute": compute.render,
    "network": network.render,
    "volume": volume.render,
}

ROLES: tuple[str, ...] = tuple(RENDERERS)
"""All roles, in the order in which their parts are put together."""

CONFIG_FILES: tuple[str, ...] = tuple(
    path.rpartition("/")[2]
    for path in (
        database.CONFIG,
        identity.CONFIG,
        placement.CONFIG,
        image.CONFIG,
        compute_api.CONFIG,
        "nova-compute.conf",
        network.CONFIG,
        network.ML2_CONFIG,
        volume.CONFIG,
    )
)
"""Names of configuration files that a cloud's ``options`` may speak of."""


def node_state(cloud: Cloud, node: Node) -> NodeState:
    """All of ``node``'s state.

    Raises SpecError for a role or a file of options that does not exist, and for a role that no node has.
    """
    _check(cloud, node)
    parts = [RENDERERS[role](cloud, node) for role in ROLES if role == "base" or role in node.roles]
    return NodeState(
        node=node.name,
        files=_distinct(tuple(file for part in parts for file in part.files)),
        waves=merge_waves(wave for part in parts for wave in part.waves),
    )


def _check(cloud: Cloud, node: Node) -> None:
    for role in node.roles:
        if role not in RENDERERS:
            raise SpecError(
                f"Node {node.name} shall have the role {role}, which does not exist.",
                f"Roles are: {', '.join(ROLES)}.",
            )
    for name in cloud.spec.options:
        if name not in CONFIG_FILES:
            raise SpecError(
                f"The options speak of a file {name}, which no service reads.",
                f"Options can be given for: {', '.join(CONFIG_FILES)}.",
            )


def _distinct(files: tuple[File, ...]) -> tuple[File, ...]:
    paths = [file.path for file in files]
    twice = sorted({path for path in paths if paths.count(path) > 1})
    if twice:
        raise ValueError(f"rendered more than once: {', '.join(twice)}")
    return tuple(sorted(files, key=lambda file: file.path))
