"""Role ``messaging``: RabbitMQ."""

from __future__ import annotations

import base64
import hashlib
import json

from viaduct.model.cloud import Cloud, Node
from viaduct.model.node_state import File, Unit, Wave
from viaduct.roles import ini
from viaduct.roles.locations import LOOPBACK, MESSAGING_PORT, listen_address
from viaduct.roles.state import INFRASTRUCTURE, RoleState, header

UNIT = "rabbitmq-server.service"
USER = "openstack"
_MADE = "/var/lib/rabbitmq/.viaduct-made"
_DROP_IN: ini.Sections = {
    "Unit": {"StartLimitIntervalSec": 0},
    "Service": {
        # A first start that was cut off leaves tables that no later start accepts: then it begins anew.
        "ExecStartPre": f"/bin/sh -c 'test -e {_MADE} || rm -rf /var/lib/rabbitmq/mnesia'",
        "ExecStartPost": f"/bin/touch {_MADE}",
        "StandardOutput": "journal",
        "StandardError": "journal",
        "RestartSec": 2,
    },
}


def render(cloud: Cloud, node: Node) -> RoleState:
    """One broker on loopback: no plugin, no epmd on a network, its only user made from a definition."""
    restarts = (UNIT,)
    return RoleState(
        files=(
            File("/etc/rabbitmq/rabbitmq.conf", _config(cloud, node).encode(), restarts=restarts),
            File("/etc/rabbitmq/rabbitmq-env.conf", _environment().encode(), restarts=restarts),
            # Its output belongs to the journal, like everybody's; epmd is its own affair.
            File(
                f"/etc/systemd/system/{UNIT}.d/viaduct.conf",
                ini.render(_DROP_IN, separator="=").encode(),
            ),
            File("/etc/rabbitmq/enabled_plugins", b"[].\n", restarts=restarts),
            File(
                "/etc/rabbitmq/definitions.json",
                _definitions(cloud).encode(),
                group="rabbitmq",
                mode=0o640,
                restarts=restarts,
            ),
            File(
                "/var/lib/rabbitmq/.erlang.cookie",
                cloud.secret("messaging_cookie").encode(),
                owner="rabbitmq",
                group="rabbitmq",
                mode=0o400,
                restarts=restarts,
            ),
        ),
        waves=(Wave(INFRASTRUCTURE, units=(Unit(UNIT),)),),
    )


def _config(cloud: Cloud, node: Node) -> str:
    return f"""\
{header()}listeners.tcp.1 = {listen_address(cloud, node)}:{MESSAGING_PORT}
load_definitions = /etc/rabbitmq/definitions.json
loopback_users = none
vm_memory_high_watermark.absolute = 512MB
disk_free_limit.absolute = 256MB
log.file = false
log.console = true
log.console.level = warning
"""


def _environment() -> str:
    schedulers = "+S 2:2 +sbwt none +sbwtdcpu none +sbwtdio none"
    return f"""\
{header()}NODENAME=rabbit@localhost
ERL_EPMD_ADDRESS={LOOPBACK}
export ERL_EPMD_ADDRESS
SERVER_ADDITIONAL_ERL_ARGS="{schedulers} -kernel inet_dist_use_interface {{127,0,0,1}}"
"""


def _definitions(cloud: Cloud) -> str:
    definitions = {
        "vhosts": [{"name": "/"}],
        "users": [
            {
                "name": USER,
                "password_hash": password_hash(cloud.secret("messaging_password")),
                "hashing_algorithm": "rabbit_password_hashing_sha256",
                "tags": [],
            }
        ],
        "permissions": [{"user": USER, "vhost": "/", "configure": ".*", "write": ".*", "read": ".*"}],
    }
    return json.dumps(definitions, indent=2) + "\n"


def password_hash(password: str) -> str:
    """RabbitMQ's salted hash. The salt follows from the password: equal secrets render equal states."""
    salt = hashlib.sha256(b"viaduct-rabbitmq" + password.encode()).digest()[:4]
    return base64.b64encode(salt + hashlib.sha256(salt + password.encode()).digest()).decode()
