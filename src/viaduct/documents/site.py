"""Site files: YAML to :class:`viaduct.model.site.Site`."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from pydantic import ValidationError

from viaduct.documents.problems import Problem, refuse
from viaduct.documents.schema_errors import problems_of
from viaduct.documents.site_checks import check
from viaduct.documents.site_schema import NetworkPart, SitePart, VCenterPart
from viaduct.documents.yaml_text import read_mapping
from viaduct.errors import SiteFileError
from viaduct.model.secret import Secret
from viaduct.model.site import (
    ComputeCluster,
    ManagementPlacement,
    Site,
    SiteNetwork,
    TenantNetworks,
    VCenter,
)


def load_site(path: Path, environment: Mapping[str, str] = os.environ) -> Site:
    """Read a site file.

    Paths in it are relative to its folder. Raises :class:`SiteFileError` that names every problem.
    """
    raw = read_mapping(path, SiteFileError)
    try:
        part = SitePart.model_validate(raw)
    except ValidationError as error:
        raise refuse(SiteFileError, path, problems_of(error, SitePart)) from None
    problems: list[Problem] = []
    site = _site(part, _vcenter(part.vcenter, path.parent, environment, problems))
    problems += check(site)
    if problems:
        raise refuse(SiteFileError, path, problems)
    return site


def password_source(path: Path) -> str:
    """In words, where the vCenter's password of a valid site file is kept."""
    part = SitePart.model_validate(read_mapping(path, SiteFileError)).vcenter
    if part.password_file is not None:
        return f"in {path.parent / part.password_file}"
    if part.password_env is not None:
        return f"in the variable {part.password_env}"
    return f"in {path}"


def _site(part: SitePart, vcenter: VCenter) -> Site:
    return Site(
        name=part.name,
        vcenter=vcenter,
        datacenter=part.datacenter,
        management=ManagementPlacement(
            cluster=part.management.cluster,
            datastore=part.management.datastore,
            folder=part.management.folder.strip("/"),
            resource_pool=part.management.resource_pool,
        ),
        compute=tuple(ComputeCluster(c.cluster, tuple(c.datastores)) for c in part.compute),
        image_datastore=part.images.datastore,
        management_network=_network(part.networks.management),
        external_network=_network(part.networks.external),
        tenant_networks=TenantNetworks(
            switch=part.tenant_networks.switch,
            vlans=tuple(part.tenant_networks.vlans),
            physical_network=part.tenant_networks.physical_network,
        ),
        template=part.appliance.template,
    )


def _network(part: NetworkPart) -> SiteNetwork:
    return SiteNetwork(
        port_group=part.port_group,
        cidr=part.cidr,
        ranges=tuple(part.ranges),
        gateway=part.gateway,
        dns=tuple(part.dns),
        ntp=tuple(part.ntp),
    )


def _vcenter(
    part: VCenterPart, folder: Path, environment: Mapping[str, str], problems: list[Problem]
) -> VCenter:
    ca_file = folder / part.ca_file if part.ca_file else None
    if ca_file and not ca_file.is_file():
        problems.append(Problem("vcenter.ca_file", f"{ca_file} does not exist", "Check the path (PEM file)."))
    if ca_file and part.thumbprint:
        problems.append(Problem("vcenter.thumbprint", "is given beside ca_file", "Keep one of the two."))
    return VCenter(
        host=part.host,
        port=part.port,
        username=part.username,
        password=_password(part, folder, environment, problems),
        ca_file=ca_file,
        thumbprint=part.thumbprint,
    )


def _password(
    part: VCenterPart, folder: Path, environment: Mapping[str, str], problems: list[Problem]
) -> Secret:
    given = [k for k in ("password", "password_file", "password_env") if getattr(part, k) is not None]
    if len(given) != 1:
        problems.append(
            Problem(
                "vcenter",
                f"{' and '.join(given)} are given" if given else "has no password",
                "Give exactly one of password_file, password_env and password.",
            )
        )
        return Secret("")
    key = given[0]
    value = part.password
    if part.password_file is not None:
        value = _first_line(folder / part.password_file, problems)
    elif part.password_env is not None:
        value = environment.get(part.password_env)
        if value is None:
            problems.append(
                Problem(
                    "vcenter.password_env",
                    f"the variable {part.password_env} is not set",
                    f"Run: export {part.password_env}=…",
                )
            )
    if value == "":
        problems.append(Problem(f"vcenter.{key}", "the password is empty", "Give the password."))
    return Secret(value or "")


def _first_line(path: Path, problems: list[Problem]) -> str | None:
    try:
        return path.read_text(encoding="utf-8").split("\n", 1)[0].rstrip("\r")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "not UTF-8 text"
        problems.append(
            Problem("vcenter.password_file", f"{path}: {reason}", "Give a file that you can read.")
        )
        return None
