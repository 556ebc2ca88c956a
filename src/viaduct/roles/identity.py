"""Role ``identity``: keystone, and the records that every other service starts with."""

from __future__ import annotations

import json

from viaduct.model.cloud import SERVICES, Cloud, Node
from viaduct.model.node_state import File, OneShot, Unit, Wave
from viaduct.roles import onnode
from viaduct.roles.database import migration
from viaduct.roles.ini import Sections, merge
from viaduct.roles.locations import CATALOG, IDENTITY, internal_url, public_url
from viaduct.roles.service_config import cache, config_file, database, general
from viaduct.roles.state import DATA, RoleState
from viaduct.roles.state import IDENTITY as IDENTITY_WAVE
from viaduct.roles.units import VENV, Api, api_files, unit_name

USER = "keystone"
API = Api(
    "keystone", USER, "keystone.wsgi.api", IDENTITY.local_port, (("OS_KEYSTONE_CONFIG_DIR", "/etc/keystone"),)
)
UNIT = unit_name(API.name)
CONFIG = "/etc/keystone/keystone.conf"
RECORDS = "/etc/keystone/viaduct-identity.json"

_GUARD = f"{onnode.SYSTEM_PYTHON} {onnode.DATABASE}"
SEED = OneShot(
    name="make identity records",
    command=(
        f"setpriv --reuid={USER} --regid={USER} --init-groups --reset-env -- "
        f"{VENV}/bin/python {onnode.IDENTITY} {RECORDS} && {_GUARD} mark identity {RECORDS} keystone"
    ),
    probe=f"{_GUARD} marked identity {RECORDS}",
    timeout=120,
)


def render(cloud: Cloud, node: Node) -> RoleState:
    """Fernet tokens, SQL for everything; keys come with the state and are rotated by the manager."""
    return RoleState(
        files=(
            config_file(cloud, CONFIG, _settings(cloud, node), group=USER, restarts=(UNIT,)),
            *_keys(cloud, "fernet-keys", "fernet_key"),
            *_keys(cloud, "credential-keys", "credential_key"),
            *api_files(API),
            File(RECORDS, _records(cloud).encode(), group=USER, mode=0o640),
            onnode.program(onnode.IDENTITY),
        ),
        waves=(
            Wave(
                DATA,
                one_shots=(
                    migration(USER, (USER,), f"{VENV}/bin/keystone-manage --config-file {CONFIG} db_sync"),
                ),
            ),
            # The records are made while keystone starts, which takes as long.
            Wave(IDENTITY_WAVE, units=(Unit(UNIT),), one_shots=(SEED,)),
        ),
    )


def _settings(cloud: Cloud, node: Node) -> Sections:
    default = {key: value for key, value in general(node, USER).items() if key in ("debug", "use_stderr")}
    return merge(
        {"DEFAULT": default},
        {"database": database(cloud, node, USER)},
        cache(cloud, node),
        {
            # What bcrypt can tell apart.
            "identity": {"max_password_length": 72},
            "token": {"provider": "fernet"},
            "fernet_tokens": {"key_repository": "/etc/keystone/fernet-keys"},
            "credential": {"key_repository": "/etc/keystone/credential-keys"},
            "oslo_middleware": {"enable_proxy_headers_parsing": True},
        },
    )


def _keys(cloud: Cloud, directory: str, secret: str) -> tuple[File, ...]:
    """A key repository.

    Key 0 is staged, the highest number is the primary one. Keystone looks at them anew at each use.
    """
    return tuple(
        File(
            f"/etc/keystone/{directory}/{index}",
            cloud.secret(f"{secret}_{index}").encode(),
            group=USER,
            mode=0o640,
        )
        for index in (0, 1)
    )


def _records(cloud: Cloud) -> str:
    records = {
        "admin_password": cloud.secret("admin_password"),
        "region": cloud.spec.region,
        "users": [
            {"name": service, "password": cloud.secret(f"{service}_password")}
            for service in SERVICES
            if service != USER
        ],
        "endpoints": [
            {
                "name": endpoint.service,
                "type": endpoint.type,
                "description": endpoint.description,
                "public": public_url(cloud, endpoint),
                "internal": internal_url(cloud, endpoint),
            }
            for endpoint in CATALOG
        ],
    }
    return json.dumps(records, indent=2) + "\n"
