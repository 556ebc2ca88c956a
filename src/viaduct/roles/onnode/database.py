#!/usr/bin/env python3
# ruff: noqa: S608 - the names in these statements are our own
"""Databases of a node: accounts, schemas from the image's dumps, and marks of what has been done.

Runs on the node as root with nothing but the standard library; talks to MariaDB through its command-line
client and socket, so no password is needed. What has been done is marked inside the database server itself
(database ``viaduct``), so that marks and data cannot part: they are lost, backed up and restored together.

``apply``                     make accounts and schemas as /etc/viaduct/database.json says
``applied``                   exit status 0 if there is nothing to apply
``adopt DATABASE``            take a database that somebody else filled for restored
``mark NAME FILE DATABASE``   remember the content of FILE under NAME, until DATABASE is restored anew
``marked NAME FILE``          exit status 0 if FILE's content is what was remembered
``current DATABASE...``       exit status 0 if the schemas have the revisions that the image's programs want
"""

from __future__ import annotations

import hashlib
import json
import socket
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

CONFIG = Path("/etc/viaduct/database.json")
CLIENT = ("mariadb", "--batch", "--skip-column-names")
# Before a schema is loaded its name is marked as RESTORING, afterwards as RESTORED: a load that was
# interrupted is known as such and done again, while a database that somebody else filled is never touched.
RESTORING = "restoring"
RESTORED = "restored"
MARKS = """
CREATE DATABASE IF NOT EXISTS viaduct;
CREATE TABLE IF NOT EXISTS viaduct.mark (
  name VARCHAR(64) PRIMARY KEY, value VARCHAR(64) NOT NULL, of VARCHAR(64) NOT NULL DEFAULT '',
  changed TIMESTAMP DEFAULT CURRENT_TIMESTAMP ON UPDATE CURRENT_TIMESTAMP);
"""


def sql(statements: str) -> list[str]:
    """Run statements; the lines of their result."""
    done = subprocess.run(CLIENT, input=statements, capture_output=True, text=True, check=False, timeout=120)
    if done.returncode:
        raise SystemExit(f"MariaDB refused: {done.stderr.strip()}")
    return done.stdout.splitlines()


def marks() -> dict[str, str]:
    """All marks; none when the server has never been applied to."""
    if not sql("SHOW DATABASES LIKE 'viaduct'"):
        return {}
    lines = sql(MARKS + "SELECT name, value FROM viaduct.mark")
    return dict(line.split("\t", 1) for line in lines)


def set_mark(name: str, value: str, of: str = "") -> None:
    """Remember ``value``; it is forgotten when the database ``of`` is restored."""
    sql(f"{MARKS} REPLACE INTO viaduct.mark (name, value, of) VALUES ('{name}', '{value}', '{of}')")


def digest(path: str) -> str:
    """SHA-256 of a file."""
    return hashlib.sha256(Path(path).read_bytes()).hexdigest()


def tables(database: str) -> int:
    """How many tables a database has; 0 too if there is no such database."""
    query = f"SELECT COUNT(*) FROM information_schema.tables WHERE table_schema = '{database}'"
    return int(sql(query)[0])


def todo(config: dict[str, object], known: dict[str, str]) -> list[str]:
    """Databases to restore. Raises SystemExit for one that has tables but no mark."""
    wanted = []
    for database in [str(name) for name in config["databases"]]:  # type: ignore[attr-defined]
        mark = known.get(f"schema:{database}")
        filled = tables(database)
        if mark is None and filled:
            raise SystemExit(
                f"database {database} holds {filled} tables that viaduct did not make; it is left alone. "
                f"Move them away, or mark it as restored: {sys.argv[0]} adopt {database}"
            )
        if mark != RESTORED or not filled:
            wanted.append(database)
    return wanted


def restore(database: str, dump: Path) -> None:
    """Load one dump into an empty database of that name.

    A load in progress is not durable, and need not be.
    """
    set_mark(f"schema:{database}", RESTORING)
    sql(
        f"DROP DATABASE IF EXISTS {database};"
        f"CREATE DATABASE {database} CHARACTER SET utf8mb4;"
        f"DELETE FROM viaduct.mark WHERE of = '{database}'"
    )
    unpack = subprocess.Popen(("zcat", str(dump)), stdout=subprocess.PIPE)
    load = subprocess.run(
        (*CLIENT, database), stdin=unpack.stdout, capture_output=True, text=True, check=False
    )
    if unpack.wait() or load.returncode:
        raise SystemExit(f"cannot load {dump}: {load.stderr.strip()}")
    set_mark(f"schema:{database}", RESTORED)


def flush(servers: list[str]) -> None:
    """Empty the caches: they may still hold what a former database said."""
    for server in servers:
        host, _, port = server.rpartition(":")
        try:
            with socket.create_connection((host, int(port)), timeout=5) as connection:
                connection.sendall(b"flush_all\r\nquit\r\n")
                connection.recv(64)
        except OSError as error:
            print(f"cache {server} was not flushed: {error}", file=sys.stderr)


def apply(config: dict[str, object]) -> None:
    """Accounts first, then schemas in parallel."""
    sql(MARKS)
    accounts = str(config["accounts"])
    sql(Path(accounts).read_text())
    wanted = todo(config, marks())
    if wanted:
        durability = sql("SELECT @@GLOBAL.innodb_flush_log_at_trx_commit")[0]
        sql("SET GLOBAL innodb_flush_log_at_trx_commit = 0")
        try:
            dumps = [Path(str(config["dumps"])) / f"{name}.sql.gz" for name in wanted]
            with ThreadPoolExecutor(4) as pool:
                list(pool.map(restore, wanted, dumps))
        finally:
            sql(f"SET GLOBAL innodb_flush_log_at_trx_commit = {durability}")
        flush([str(server) for server in config["caches"]])  # type: ignore[attr-defined]
        print(f"restored {', '.join(wanted)}")
    set_mark("accounts", digest(accounts))


def applied(config: dict[str, object]) -> bool:
    """Whether accounts and schemas are all as wanted."""
    known = marks()
    return known.get("accounts") == digest(str(config["accounts"])) and not todo(config, known)


def current(config: dict[str, object], database: str) -> bool:
    """Whether the database's revision is the one that the image was built with."""
    wanted = json.loads((Path(str(config["dumps"])) / "revisions.json").read_text())[database]
    have = sorted(sql(f"SELECT version_num FROM {database}.alembic_version"))
    return have == sorted([wanted] if isinstance(wanted, str) else wanted)


def main(arguments: list[str]) -> int:
    """Dispatch; see the module's description."""
    config = json.loads(CONFIG.read_text())
    match arguments:
        case ["apply"]:
            apply(config)
            return 0
        case ["applied"]:
            return 0 if applied(config) else 1
        case ["adopt", database]:
            set_mark(f"schema:{database}", RESTORED)
            return 0
        case ["mark", name, path, of]:
            set_mark(name, digest(path), of)
            return 0
        case ["marked", name, path]:
            return 0 if marks().get(name) == digest(path) else 1
        case ["current", *databases]:
            return 0 if all(current(config, database) for database in databases) else 1
    print(__doc__, file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
