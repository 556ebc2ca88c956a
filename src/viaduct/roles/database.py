"""Role ``database``: MariaDB with an account and a schema for each service."""

from __future__ import annotations

import hashlib
import json

from viaduct.model.cloud import SERVICES, Cloud, Node
from viaduct.model.node_state import File, OneShot, Unit, Wave
from viaduct.roles import ini, onnode
from viaduct.roles.ini import Section, Sections
from viaduct.roles.locations import DATABASE_PORT, LOOPBACK, cache_server, listen_address
from viaduct.roles.service_config import config_file
from viaduct.roles.state import INFRASTRUCTURE, RoleState

UNIT = "mariadb.service"
CONFIG = "/etc/mysql/mariadb.conf.d/90-viaduct.cnf"

DATABASES = {
    **{service: service for service in SERVICES},
    "nova_api": "nova",
    "nova_cell0": "nova",
}
"""Database -> the service (and account) that it belongs to."""

# What services and their migrations do with their own databases.
_RIGHTS = (
    "SELECT, INSERT, UPDATE, DELETE, CREATE, ALTER, DROP, INDEX, REFERENCES, "
    "CREATE TEMPORARY TABLES, LOCK TABLES, TRIGGER"
)

SCHEMAS = OneShot(
    name="make database accounts and schemas",
    # Starting what is starting waits for it.
    command=f"systemctl start {UNIT} && {onnode.SYSTEM_PYTHON} {onnode.DATABASE} apply",
    probe=f"systemctl is-active --quiet {UNIT} && {onnode.SYSTEM_PYTHON} {onnode.DATABASE} applied",
    timeout=300,
)


_DATA = "/var/lib/mysql"
# Made beside and moved in with the part last that tells whether it is there: an interruption leaves nothing
# half made.
_INSTALL = f"""\
#!/bin/sh
# Make MariaDB's system tables unless they are there.
set -eu
test -d {_DATA}/mysql && exit 0
rm -rf {_DATA}.new
mariadb-install-db --user=mysql --datadir={_DATA}.new --skip-test-db --auth-root-authentication-method=socket
cd {_DATA}.new
for part in *; do test "$part" = mysql || mv -f "$part" {_DATA}/; done
mv mysql {_DATA}/
cd /
rm -rf {_DATA}.new
chown mysql:mysql {_DATA}
"""
INSTALL = f"{onnode.DIRECTORY}/install-database"
_DROP_IN: Sections = {
    "Unit": {"StartLimitIntervalSec": 0},
    # As root ("+"), before everything else that the unit does.
    "Service": {"ExecStartPre": f"+{INSTALL}", "Restart": "on-failure"},
}


def render(cloud: Cloud, node: Node) -> RoleState:
    """MariaDB, small; root by socket only."""
    wanted = {
        "databases": DATABASES,
        "dumps": "/usr/share/viaduct/schemas",
        "accounts": "/etc/viaduct/accounts.sql",
        "caches": [cache_server(cloud, node)],
    }
    return RoleState(
        files=(
            config_file(cloud, CONFIG, {"mariadbd": _settings(cloud, node)}, group="mysql", restarts=(UNIT,)),
            File(INSTALL, _INSTALL.encode(), mode=0o755),
            File(f"/etc/systemd/system/{UNIT}.d/viaduct.conf", ini.render(_DROP_IN, separator="=").encode()),
            File("/etc/viaduct/accounts.sql", _accounts(cloud).encode(), mode=0o600),
            File("/etc/viaduct/database.json", (json.dumps(wanted, indent=2) + "\n").encode(), mode=0o600),
            onnode.program(onnode.DATABASE),
        ),
        waves=(
            # One wave: schemas are loaded while the message broker, which takes its time, still starts.
            Wave(INFRASTRUCTURE, units=(Unit(UNIT),), one_shots=(SCHEMAS,)),
        ),
    )


def migration(service: str, databases: tuple[str, ...], command: str) -> OneShot:
    """Bring a service's schema to the revision that the image's programs want, unless it is there already."""
    return OneShot(
        name=f"migrate the database of {service}",
        command=f"setpriv --reuid={service} --regid={service} --init-groups --reset-env -- {command}",
        probe=f"{onnode.SYSTEM_PYTHON} {onnode.DATABASE} current {' '.join(databases)}",
        timeout=1800,
    )


def _settings(cloud: Cloud, node: Node) -> Section:
    return {
        "bind-address": listen_address(cloud, node),
        "port": DATABASE_PORT,
        "skip-name-resolve": "ON",
        "character-set-server": "utf8mb4",
        "max_connections": 400,
        "performance_schema": "OFF",
        "innodb_buffer_pool_size": "128M",
        "innodb_log_buffer_size": "8M",
        "innodb_log_file_size": "64M",
        "innodb_flush_method": "O_DIRECT",
        # On by default since 11.6.2: a row that somebody else changed meanwhile then ends the transaction with
        # error 1020, which OpenStack does not expect (seen: two logins of one user at once).
        "innodb_snapshot_isolation": "OFF",
        "key_buffer_size": "1M",
        "aria_pagecache_buffer_size": "8M",
        "query_cache_type": "OFF",
        "query_cache_size": 0,
        "table_open_cache": 800,
        "thread_cache_size": 16,
    }


def _accounts(cloud: Cloud) -> str:
    """Accounts by the hash of their password, so that the file tells nobody how to log in.

    Can be run again.
    """
    host = LOOPBACK if len(cloud.spec.nodes) == 1 else "%"
    lines = []
    for service in SERVICES:
        user = f"'{service}'@'{host}'"
        password = _hash(cloud.secret(f"{service}_database_password"))
        secret = f"IDENTIFIED VIA mysql_native_password USING '{password}'"
        lines.append(f"CREATE USER IF NOT EXISTS {user} {secret};")
        lines.append(f"ALTER USER {user} {secret};")
        for database, owner in DATABASES.items():
            if owner == service:
                # In a grant an underscore stands for any character, unless escaped.
                pattern = database.replace("_", r"\_")
                lines.append(f"GRANT {_RIGHTS} ON `{pattern}`.* TO {user};")
    return "\n".join(lines) + "\n"


def _hash(password: str) -> str:
    inner = hashlib.sha1(password.encode()).digest()  # noqa: S324 - the server's own scheme
    return "*" + hashlib.sha1(inner).hexdigest().upper()  # noqa: S324
