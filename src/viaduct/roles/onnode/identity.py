#!/usr/bin/env python3
"""Identity records that the other services start with: ``identity.py FILE``.

Run by OpenStack's Python, as user keystone.

One process with keystone's own code instead of a dozen calls of its API: importing keystone costs more than
all the work. FILE (JSON) holds administrator, region, service users and endpoints; passwords never leave it.
Everything is made to match: what exists is kept, a password or URL that differs is set.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import sys
import uuid
from pathlib import Path
from typing import Any

CONFIG = "/etc/keystone/keystone.conf"


def bootstrap(wanted: dict[str, Any]) -> Any:
    """What ``keystone-manage bootstrap`` does; returns the bootstrapper, which knows the identifiers."""
    bootstrapper = importlib.import_module("keystone.cmd.bootstrap").Bootstrapper()
    identity = wanted["endpoints"][0]
    bootstrapper.admin_username = bootstrapper.project_name = "admin"
    bootstrapper.admin_role_name = "admin"
    bootstrapper.admin_password = wanted["admin_password"]
    bootstrapper.region_id = wanted["region"]
    bootstrapper.service_name = identity["name"]
    bootstrapper.public_url = identity["public"]
    bootstrapper.internal_url = identity["internal"]
    bootstrapper.admin_url = identity["internal"]
    bootstrapper.immutable_roles = True
    bootstrapper.bootstrap()
    return bootstrapper


def ensure_project(providers: Any, exception: Any, domain: str, name: str) -> str:
    """The project's identifier."""
    try:
        return str(providers.resource_api.get_project_by_name(name, domain)["id"])
    except exception.ProjectNotFound:
        reference = {
            "id": uuid.uuid4().hex,
            "name": name,
            "domain_id": domain,
            "enabled": True,
            "description": "Users of OpenStack's own services",
        }
        return str(providers.resource_api.create_project(reference["id"], reference)["id"])


def ensure_user(providers: Any, exception: Any, domain: str, name: str, password: str) -> str:
    """The user's identifier; its password is ``password`` afterwards."""
    try:
        user = providers.identity_api.get_user_by_name(name, domain)
    except exception.UserNotFound:
        reference = {"name": name, "domain_id": domain, "enabled": True, "password": password}
        return str(providers.identity_api.create_user(reference)["id"])
    try:
        providers.identity_api.driver.authenticate(user["id"], password)
    except AssertionError:
        providers.identity_api.update_user(user["id"], {"password": password})
    return str(user["id"])


def grant(providers: Any, exception: Any, user: str, project: str, role: str) -> None:
    """Give the role, unless the user has it."""
    with contextlib.suppress(exception.Conflict):
        providers.assignment_api.add_role_to_user_and_project(user, project, role)


def ensure_service(catalog: Any, wanted: dict[str, Any], region: str) -> None:
    """A service and its three endpoints in the catalog."""
    services = [s for s in catalog.list_services() if s["type"] == wanted["type"]]
    if services:
        service = services[0]
    else:
        service = {
            "id": uuid.uuid4().hex,
            "name": wanted["name"],
            "type": wanted["type"],
            "description": wanted["description"],
            "enabled": True,
        }
        catalog.create_service(service["id"], service)
    mine = [e for e in catalog.list_endpoints() if e["service_id"] == service["id"]]
    have = {e["interface"]: e for e in mine if e["region_id"] == region}
    for interface in ("public", "internal", "admin"):
        url = wanted["public" if interface == "public" else "internal"]
        if interface not in have:
            endpoint = {
                "id": uuid.uuid4().hex,
                "interface": interface,
                "url": url,
                "service_id": service["id"],
                "region_id": region,
                "enabled": True,
            }
            catalog.create_endpoint(endpoint["id"], endpoint)
        elif have[interface]["url"] != url:
            catalog.update_endpoint(have[interface]["id"], {**have[interface], "url": url})


def main(arguments: list[str]) -> int:
    """Reads FILE and makes keystone's database match it."""
    wanted = json.loads(Path(arguments[0]).read_text())
    configuration = importlib.import_module("keystone.conf")
    configuration.configure()
    importlib.import_module("keystone.common.sql").initialize()
    configuration.set_default_for_default_log_levels()
    configuration.CONF([], project="keystone", default_config_files=[CONFIG])
    configuration.setup_logging()
    exception = importlib.import_module("keystone.exception")
    known = bootstrap(wanted)
    providers = importlib.import_module("keystone.common.provider_api").ProviderAPIs
    # Hashing slowly protects passwords that can be guessed. These are random; each of their logins would cost
    # the time.
    configuration.CONF.set_override("password_hash_rounds", 4, group="identity")
    domain = known.default_domain_id
    project = ensure_project(providers, exception, domain, "service")
    for user in wanted["users"]:
        identifier = ensure_user(providers, exception, domain, user["name"], user["password"])
        for role in (known.admin_role_id, known.service_role_id):
            grant(providers, exception, identifier, project, role)
    for endpoint in wanted["endpoints"][1:]:
        ensure_service(providers.catalog_api, endpoint, wanted["region"])
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
