"""Connections to a cloud's public endpoints, and what their errors mean to a person."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from viaduct.errors import CloudError
from viaduct.model.cloud import Cloud
from viaduct.model.secret import Secret

TIMEOUT = 60
"""Seconds until an API call without an answer counts as failed."""

DOMAIN = "default"


def identity_url(cloud: Cloud) -> str:
    """The public identity endpoint."""
    return f"https://{cloud.spec.public_address}:5000/v3"


def connect(cloud: Cloud, ca_file: Path, project: str, user: str, password: Secret) -> Any:
    """An ``openstack.connection.Connection`` of ``user`` in ``project``; asks nothing of the network yet."""
    import openstack

    return openstack.connect(
        load_yaml_config=False,
        load_envvars=False,
        auth_type="v3password",
        auth={
            "auth_url": identity_url(cloud),
            "username": user,
            "password": password.reveal(),
            "project_name": project,
            "user_domain_id": DOMAIN,
            "project_domain_id": DOMAIN,
        },
        region_name=cloud.spec.region,
        interface="public",
        cacert=str(ca_file),
        api_timeout=TIMEOUT,
        app_name="viaduct",
    )


@contextmanager
def told_as(doing: str) -> Iterator[None]:
    """Everything that the SDK raises inside leaves as a :class:`CloudError`: "OpenStack could not ..."."""
    from keystoneauth1.exceptions import ClientException
    from openstack.exceptions import SDKException

    try:
        yield
    except (SDKException, ClientException, OSError) as problem:
        raise CloudError(
            f"OpenStack could not {doing}: {text(problem)}",
            "Run './viaduct status' to see which service is down; its log on the node tells more.",
            detail=detail(problem),
        ) from problem


def text(problem: Exception) -> str:
    """One line of what the API (or the network) said."""
    details = getattr(problem, "details", None)
    message = str(details or problem).strip() or type(problem).__name__
    status = getattr(problem, "status_code", None) or getattr(problem, "http_status", None)
    first = message.splitlines()[0]
    return f"{first} (HTTP {status})" if status and str(status) not in first else first


def detail(problem: Exception) -> str:
    """Where to look for the same request in the services' logs."""
    request = getattr(problem, "request_id", None)
    url = getattr(problem, "url", None)
    return "; ".join(f"{k} {v}" for k, v in (("request id", request), ("URL", url)) if v)


def not_found(problem: Exception) -> bool:
    from openstack.exceptions import NotFoundException

    return isinstance(problem, NotFoundException)
