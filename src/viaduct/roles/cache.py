"""Role ``cache``: memcached."""

from __future__ import annotations

from viaduct.model.cloud import Cloud, Node
from viaduct.model.node_state import File, Unit, Wave
from viaduct.roles.locations import CACHE_PORT, listen_address
from viaduct.roles.state import INFRASTRUCTURE, RoleState, header

UNIT = "memcached.service"


def render(cloud: Cloud, node: Node) -> RoleState:
    """A small cache for tokens; on loopback unless other nodes use it. No UDP."""
    text = f"""\
{header()}-l {listen_address(cloud, node)}
-p {CACHE_PORT}
-U 0
-u memcache
-m 64
-c 2048
"""
    return RoleState(
        files=(File("/etc/memcached.conf", text.encode(), restarts=(UNIT,)),),
        waves=(Wave(INFRASTRUCTURE, units=(Unit(UNIT),)),),
    )
