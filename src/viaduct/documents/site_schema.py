"""The shape of a site file."""

from __future__ import annotations

import re
from ipaddress import IPv4Address, IPv4Network
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from viaduct.model.site import AddressRange

Text = Annotated[str, Field(min_length=1)]


def parse_range(value: Any) -> AddressRange:
    """``a-b`` or a single address. Raises ``ValueError`` as ``what is wrong|what to do``."""
    remedy = "|Write a range such as 10.0.0.100-10.0.0.149."
    first, dash, last = str(value).partition("-")
    try:
        found = AddressRange(IPv4Address(first.strip()), IPv4Address((last if dash else first).strip()))
    except ValueError:
        raise ValueError(f"'{value}' is not a range of IPv4 addresses{remedy}") from None
    if found.last < found.first:
        raise ValueError(f"'{value}' ends before it begins{remedy}")
    return found


def parse_vlans(value: Any) -> tuple[int, int]:
    """``1000-1999`` or ``1000``: first and last VLAN id."""
    remedy = "|Write VLAN ids between 1 and 4094, such as 1000-1999."
    match = re.fullmatch(r"\s*(\d+)\s*(?:-\s*(\d+)\s*)?", str(value))
    if not match:
        raise ValueError(f"'{value}' is not a range of VLAN ids{remedy}")
    first, last = int(match[1]), int(match[2] or match[1])
    if not 1 <= first <= 4094 or not 1 <= last <= 4094:
        raise ValueError(f"'{value}' has a VLAN id out of bounds{remedy}")
    if last < first:
        raise ValueError(f"'{value}' ends before it begins{remedy}")
    return first, last


def parse_thumbprint(value: Any) -> str:
    """A SHA-256 thumbprint with or without colons, as upper case with colons."""
    digits = str(value).replace(":", "").replace(" ", "").upper()
    if not re.fullmatch(r"[0-9A-F]{64}", digits):
        raise ValueError(
            "is not a SHA-256 thumbprint"
            "|Write 64 hexadecimal digits; 'openssl x509 -noout -fingerprint -sha256' prints them."
        )
    return ":".join(digits[i : i + 2] for i in range(0, 64, 2))


Range = Annotated[AddressRange, BeforeValidator(parse_range)]
Vlans = Annotated[tuple[int, int], BeforeValidator(parse_vlans)]
Thumbprint = Annotated[str, BeforeValidator(parse_thumbprint)]


class Part(BaseModel):
    """Unknown keys are refused: a misspelt key must not be ignored."""

    model_config = ConfigDict(extra="forbid", frozen=True, arbitrary_types_allowed=True)


class VCenterPart(Part):
    host: Text
    port: int = Field(443, ge=1, le=65535)
    username: Text
    password: str | None = None
    password_file: Text | None = None
    password_env: Text | None = None
    ca_file: Text | None = None
    thumbprint: Thumbprint | None = None


class ManagementPart(Part):
    cluster: Text
    datastore: Text
    folder: Text = "Viaduct"
    resource_pool: Text | None = None


class ComputePart(Part):
    cluster: Text
    datastores: list[Text] = Field(min_length=1)


class ImagesPart(Part):
    datastore: Text


class NetworkPart(Part):
    port_group: Text
    cidr: IPv4Network
    ranges: list[Range] = Field(min_length=1)
    gateway: IPv4Address | None = None
    dns: list[IPv4Address] = Field(default_factory=list)
    ntp: list[Text] = Field(default_factory=list)


class NetworksPart(Part):
    management: NetworkPart
    external: NetworkPart


class TenantNetworksPart(Part):
    switch: Text
    physical_network: Text = "dvs"
    vlans: list[Vlans] = Field(min_length=1)


class AppliancePart(Part):
    template: Text


class SitePart(Part):
    name: Text
    vcenter: VCenterPart
    datacenter: Text
    management: ManagementPart
    compute: list[ComputePart] = Field(min_length=1)
    images: ImagesPart
    networks: NetworksPart
    tenant_networks: TenantNetworksPart
    appliance: AppliancePart
