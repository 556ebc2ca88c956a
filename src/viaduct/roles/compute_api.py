"""Role ``compute-api``: nova's API, scheduler and conductor."""

from __future__ import annotations

from viaduct.model.cloud import Cloud, Node
from viaduct.model.node_state import Check, File, Unit, Wave
from viaduct.model.site import ComputeCluster
from viaduct.roles import onnode
from viaduct.roles.database import migration
from viaduct.roles.ini import Sections, merge
from viaduct.roles.locations import COMPUTE
from viaduct.roles.service_config import (
    REPORT_INTERVAL,
    cache,
    client,
    config_file,
    database,
    general,
    locks,
    messaging,
    service_token,
    token_check,
)
from viaduct.roles.state import DATA, FINAL, SERVICES, RoleState
from viaduct.roles.units import PASTE, VENV, Api, Daemon, api_files, daemon_file, unit_name
from viaduct.roles.vsphere_config import compute_host

USER = "nova"
CONFIG = "/etc/nova/nova.conf"
_PASTE = f"{PASTE}/nova/api-paste.ini"
API = Api(
    "nova-api",
    USER,
    "nova.wsgi.osapi_compute",
    COMPUTE.local_port,
    # Nova takes the first of its configuration files for the paste configuration.
    (("OS_NOVA_CONFIG_DIR", "/etc/nova"), ("OS_NOVA_CONFIG_FILES", f"{_PASTE};{CONFIG}")),
    state_directories=("nova/lock",),
)
CONDUCTOR = Daemon(
    "nova-conductor",
    USER,
    "nova-conductor",
    (CONFIG,),
    state_directories=("nova/lock",),
    queues=("conductor",),
)
SCHEDULER = Daemon("nova-scheduler", USER, "nova-scheduler", (CONFIG,), state_directories=("nova/lock",))
UNITS = tuple(unit_name(name) for name in (API.name, CONDUCTOR.name, SCHEDULER.name))


def render(cloud: Cloud, node: Node) -> RoleState:
    """Everything of nova that does not talk to vCenter."""
    manage = f"{VENV}/bin/nova-manage --config-file {CONFIG}"
    migrate = migration(
        USER, ("nova_api", "nova", "nova_cell0"), f"sh -c '{manage} api_db sync && {manage} db sync'"
    )
    check = Check(
        "nova-scheduler serves",
        f"{VENV}/bin/python {onnode.QUEUES} {CONFIG} scheduler",
        timeout=120,
    )
    return RoleState(
        files=(
            *shared_files(cloud, node),
            *api_files(API),
            daemon_file(CONDUCTOR),
            daemon_file(SCHEDULER),
        ),
        waves=(
            Wave(DATA, one_shots=(migrate,)),
            Wave(SERVICES, units=tuple(Unit(name) for name in UNITS)),
            Wave(FINAL, checks=(check,)),
        ),
    )


def compute_name(cluster: ComputeCluster) -> str:
    """The name of a cluster's compute service."""
    return f"nova-compute-{compute_host(cluster)}"


def shared_files(cloud: Cloud, node: Node) -> tuple[File, ...]:
    """nova.conf and what all of nova's daemons need."""
    readers = UNITS if "compute-api" in node.roles else ()
    if "compute" in node.roles:
        readers += tuple(unit_name(compute_name(cluster)) for cluster in cloud.site.compute)
    return (
        config_file(cloud, CONFIG, settings(cloud, node), group=USER, restarts=readers),
        onnode.program(onnode.QUEUES),
    )


def settings(cloud: Cloud, node: Node) -> Sections:
    """nova.conf: the same for all of nova on a node."""
    return merge(
        {
            "DEFAULT": {
                **general(node, USER),
                "my_ip": str(node.management_address),
                "report_interval": REPORT_INTERVAL,
                # A few processes need no spreading, and hosts shall be found at once.
                "periodic_fuzzy_delay": 0,
                # A cluster is one host to nova: without it nothing could be resized.
                "allow_resize_to_same_host": True,
            },
            "api_database": database(cloud, node, USER, "nova_api"),
            "wsgi": {"api_paste_config": _PASTE},
            "conductor": {"workers": 1},
            "scheduler": {"workers": 1, "discover_hosts_in_cells_interval": 3},
            "placement": client(cloud, USER),
            "neutron": client(cloud, USER),
            "glance": client(cloud, USER),
            "cinder": {
                **client(cloud, USER),
                "catalog_info": "block-storage::internalURL",
                "os_region_name": cloud.spec.region,
            },
            "vnc": {"enabled": False},
        },
        {"database": database(cloud, node, USER)},
        messaging(cloud, node),
        cache(cloud, node),
        token_check(cloud, node, USER),
        service_token(cloud, USER),
        locks(USER),
    )
