"""Configuration that OpenStack's services have in common."""

from __future__ import annotations

from collections.abc import Mapping

from viaduct.model.cloud import Cloud, Node
from viaduct.model.node_state import File
from viaduct.roles import ini
from viaduct.roles.ini import Section, Sections, literal
from viaduct.roles.locations import (
    IDENTITY,
    cache_server,
    database_url,
    internal_url,
    messaging_url,
    public_url,
)

CLOUD_CA = "/etc/viaduct/cloud-ca.pem"
VCENTER_CA = "/etc/viaduct/vcenter-ca.pem"
REPORT_INTERVAL = 5
"""Seconds between signs of life: a service counts as up soon after it started."""


def config_file(
    cloud: Cloud, path: str, sections: Sections, *, group: str, restarts: tuple[str, ...]
) -> File:
    """A configuration file that only root and ``group`` read.

    The cloud's options for the file's name are laid over ``sections``.
    """
    name = path.rpartition("/")[2]
    options: Mapping[str, Section] = cloud.spec.options.get(name, {})
    text = ini.render(ini.merge(sections, options))
    return File(path, text.encode(), group=group, mode=0o640, restarts=restarts)


def general(node: Node, service: str) -> Section:
    """``[DEFAULT]`` of every service: log to the journal, state below /var/lib."""
    return {
        "debug": False,
        "use_stderr": True,
        "state_path": f"/var/lib/{service}",
        "host": node.name,
    }


def database(cloud: Cloud, node: Node, service: str, name: str | None = None) -> Section:
    """``[database]`` or a section of its kind."""
    return {
        "connection": literal(database_url(cloud, node, service, name or service)),
        "max_pool_size": 5,
        "max_overflow": 20,
        "connection_recycle_time": 280,
        "max_retries": -1,
    }


def messaging(cloud: Cloud, node: Node) -> Sections:
    """Remote procedure calls over RabbitMQ; notifications go nowhere until telemetry is there."""
    return {
        "DEFAULT": {"transport_url": literal(messaging_url(cloud, node))},
        "oslo_messaging_notifications": {"driver": "noop"},
        "oslo_messaging_rabbit": {"heartbeat_timeout_threshold": 30, "heartbeat_rate": 3},
    }


def credentials(cloud: Cloud, user: str) -> Section:
    """How the service user ``user`` authenticates, in whichever section a service wants that."""
    return {
        "auth_type": "password",
        "auth_url": internal_url(cloud, IDENTITY),
        "username": user,
        "password": literal(cloud.secret(f"{user}_password")),
        "project_name": "service",
        "user_domain_name": "Default",
        "project_domain_name": "Default",
        "region_name": cloud.spec.region,
        "cafile": CLOUD_CA,
    }


def client(cloud: Cloud, user: str) -> Section:
    """Credentials for calling another service by its internal endpoint."""
    return {**credentials(cloud, user), "valid_interfaces": "internal"}


def token_check(cloud: Cloud, node: Node, user: str) -> Sections:
    """``[keystone_authtoken]`` and what belongs to it: how an API checks the tokens it is given."""
    return {
        "keystone_authtoken": {
            "www_authenticate_uri": public_url(cloud, IDENTITY),
            "interface": "internal",
            "service_type": user_type(user),
            "service_token_roles": "service",
            "service_token_roles_required": True,
            "memcached_servers": cache_server(cloud, node),
            "memcache_security_strategy": "ENCRYPT",
            "memcache_secret_key": literal(cloud.secret("memcache_secret")),
            **credentials(cloud, user),
        },
        "oslo_middleware": {"enable_proxy_headers_parsing": True},
    }


def user_type(user: str) -> str:
    """The service type of a service user, which access rules of application credentials are matched with."""
    return {
        "placement": "placement",
        "glance": "image",
        "nova": "compute",
        "neutron": "network",
        "cinder": "block-storage",
    }[user]


def service_token(cloud: Cloud, user: str) -> Sections:
    """``[service_user]``: a service vouches for the user's token it hands on, which may expire meanwhile."""
    return {"service_user": {"send_service_user_token": True, **credentials(cloud, user)}}


def cache(cloud: Cloud, node: Node) -> Sections:
    """``[cache]``: memcached."""
    return {
        "cache": {
            "enabled": True,
            "backend": "dogpile.cache.pymemcache",
            "memcache_servers": cache_server(cloud, node),
        }
    }


def locks(service: str) -> Sections:
    """``[oslo_concurrency]``: where lock files are."""
    return {"oslo_concurrency": {"lock_path": f"/var/lib/{service}/lock"}}
