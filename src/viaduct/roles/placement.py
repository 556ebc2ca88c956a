"""Role ``placement``: the inventory of what compute services offer."""

from __future__ import annotations

from viaduct.model.cloud import Cloud, Node
from viaduct.model.node_state import Unit, Wave
from viaduct.roles.database import migration
from viaduct.roles.ini import merge
from viaduct.roles.locations import PLACEMENT
from viaduct.roles.service_config import config_file, database, general, token_check
from viaduct.roles.state import DATA, SERVICES, RoleState
from viaduct.roles.units import VENV, Api, api_files, unit_name

USER = "placement"
API = Api("placement-api", USER, "placement.wsgi.api", PLACEMENT.local_port)
UNIT = unit_name(API.name)
CONFIG = "/etc/placement/placement.conf"


def render(cloud: Cloud, node: Node) -> RoleState:
    """The API; its configuration directory is placement's default."""
    default = {
        key: value
        for key, value in general(node, USER).items()
        if key in ("debug", "use_stderr", "state_path")
    }
    sections = merge(
        {"DEFAULT": default},
        {"placement_database": database(cloud, node, USER)},
        {"api": {"auth_strategy": "keystone"}},
        token_check(cloud, node, USER),
    )
    command = f"{VENV}/bin/placement-manage --config-file {CONFIG} db sync"
    return RoleState(
        files=(config_file(cloud, CONFIG, sections, group=USER, restarts=(UNIT,)), *api_files(API)),
        waves=(
            Wave(DATA, one_shots=(migration(USER, (USER,), command),)),
            Wave(SERVICES, units=(Unit(UNIT),)),
        ),
    )
