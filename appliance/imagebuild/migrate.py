"""Runs inside a build tree (no network but loopback): migrate every database once and dump it.

Usage: migrate.py NOVA_SCRIPT OUTPUT_FOLDER. Standard library only. MariaDB runs on a tmpfs, so that its
durability costs nothing; the password guards nothing and reaches no dump.
"""

from __future__ import annotations

import concurrent.futures
import gzip
import json
import os
import subprocess
import sys
import time
from pathlib import Path

BIN = Path("/opt/openstack/bin")
DATA = Path("/tmp/mysql")
CONFIG = Path("/tmp/config")
SOCKET = "/tmp/mysql.sock"
PASSWORD = "build"  # noqa: S105 - guards nothing, see above
# What upstream tests with; the dump sets it again, since later migrations inherit it from the database.
CHARSET = "utf8mb3 COLLATE utf8mb3_general_ci"
# nova_cell0 has no migration of its own: cell0 and cell1 share the schema of `nova`.
DATABASES = ("keystone", "placement", "glance", "nova_api", "nova", "neutron", "cinder")
DUMPS = {**{name: name for name in DATABASES}, "nova_cell0": "nova"}
_MYSQLD = (
    "mariadbd --no-defaults --user=root --datadir={data} --socket={socket} --bind-address=127.0.0.1 "
    "--port=3306 --pid-file=/tmp/mysql.pid --skip-log-bin --innodb-flush-log-at-trx-commit=0 "
    "--innodb-doublewrite=0 --innodb-buffer-pool-size=256M --innodb-log-file-size=64M "
    "--performance-schema=off --skip-name-resolve"
)


def main() -> int:
    """Migrate, dump, and describe the result."""
    nova_script, output = sys.argv[1], Path(sys.argv[2])
    _write_configuration()
    server = _start_database()
    try:
        _migrate(nova_script)
        _tidy()
        revisions = {name: _revisions(source) for name, source in sorted(DUMPS.items())}
        for name, source in DUMPS.items():
            _dump(source, output / f"{name}.sql.gz")
        (output / "revisions.json").write_text(json.dumps(revisions, indent=2) + "\n")
    finally:
        server.terminate()
        server.wait(timeout=30)
    return 0


def _url(database: str) -> str:
    return f"mysql+pymysql://build:{PASSWORD}@127.0.0.1:3306/{database}?charset=utf8"


def _write_configuration() -> None:
    sections = {
        "keystone": {"database": "keystone"},
        "placement": {"placement_database": "placement"},
        "glance": {"database": "glance"},
        "nova": {"database": "nova", "api_database": "nova_api"},
        "neutron": {"database": "neutron"},
        "cinder": {"database": "cinder"},
    }
    CONFIG.mkdir()
    for service, databases in sections.items():
        text = "[DEFAULT]\nuse_stderr = true\n"
        for section, database in databases.items():
            text += f"[{section}]\nconnection = {_url(database)}\n"
        if service == "neutron":
            text = text.replace("[DEFAULT]\n", "[DEFAULT]\ncore_plugin = ml2\n")
        (CONFIG / f"{service}.conf").write_text(text)


def _start_database() -> subprocess.Popen[bytes]:
    DATA.mkdir()
    subprocess.run(
        ["mariadb-install-db", "--no-defaults", "--user=root", f"--datadir={DATA}", "--skip-test-db"],
        check=True,
        stdout=subprocess.DEVNULL,
    )
    server = subprocess.Popen(_MYSQLD.format(data=DATA, socket=SOCKET).split())
    deadline = time.monotonic() + 60
    while subprocess.run(["mariadb-admin", *_client(), "ping"], capture_output=True).returncode:
        if server.poll() is not None or time.monotonic() > deadline:
            raise RuntimeError("MariaDB did not start")
        time.sleep(0.1)
    statements = [f"CREATE DATABASE {name} CHARACTER SET {CHARSET};" for name in DATABASES]
    statements.append(f"CREATE USER build@'%' IDENTIFIED BY '{PASSWORD}'; GRANT ALL ON *.* TO build@'%';")
    _sql(" ".join(statements))
    return server


def _client() -> list[str]:
    return ["--no-defaults", "-uroot", f"--socket={SOCKET}"]


def _sql(statement: str) -> list[str]:
    result = subprocess.run(
        ["mariadb", *_client(), "-N", "-e", statement], check=True, capture_output=True, text=True
    )
    return result.stdout.split()


def _migrate(nova_script: str) -> None:
    """Run all migrations, as many side by side as there are processors; the longest come first."""

    def conf(service: str) -> str:
        return f"--config-file={CONFIG / service}.conf"

    commands: list[list[str]] = [
        [f"{BIN}/neutron-db-manage", conf("neutron"), "upgrade", "heads"],
        [f"{BIN}/python", nova_script, f"{CONFIG}/nova.conf"],
        [f"{BIN}/cinder-manage", conf("cinder"), "db", "sync"],
        [f"{BIN}/keystone-manage", conf("keystone"), "db_sync"],
        [f"{BIN}/glance-manage", conf("glance"), "db_sync"],
        [f"{BIN}/placement-manage", conf("placement"), "db", "sync"],
    ]
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count() or 2) as pool:
        for outcome in [pool.submit(_run, command) for command in commands]:
            outcome.result()


def _run(command: list[str]) -> None:
    begin = time.monotonic()
    subprocess.run(command, check=True)
    print(f"migrated: {Path(command[0]).name}: {time.monotonic() - begin:.1f} s", flush=True)


def _tidy() -> None:
    """Give what would differ from build to build a fixed value."""
    _sql("UPDATE nova_api.cell_mappings SET created_at='2026-01-01 00:00:00', updated_at=NULL;")


def _revisions(database: str) -> list[str]:
    return sorted(_sql(f"SELECT version_num FROM {database}.alembic_version;"))  # noqa: S608


def _dump(database: str, target: Path) -> None:
    result = subprocess.run(
        [
            "mariadb-dump",
            *_client(),
            "--skip-comments",
            "--skip-dump-date",
            "--order-by-primary",
            "--single-transaction",
            "--skip-lock-tables",
            database,
        ],
        check=True,
        stdout=subprocess.PIPE,
    )
    text = result.stdout
    if PASSWORD.encode() + b"@" in text:
        raise RuntimeError(f"the dump of {database} holds a connection URL")
    with target.open("wb") as raw, gzip.GzipFile("", "wb", 9, raw, mtime=0) as packed:
        packed.write(f"ALTER DATABASE CHARACTER SET {CHARSET};\n".encode())
        packed.write(text)


if __name__ == "__main__":
    sys.exit(main())
