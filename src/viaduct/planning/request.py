"""What a person asks for: a cloud spec that may leave things out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Address

from viaduct.model.cloud import REGION

DEFAULT_NAME = "viaduct"
DEFAULT_MODE = "tiny"
NAME_PATTERN = r"^[a-z]([a-z0-9-]*[a-z0-9])?$"
"""Names of clouds and nodes: they become host names and VM names."""


@dataclass(frozen=True)
class NodeRequest:
    """A node as asked for; None means: choose for me."""

    name: str
    roles: tuple[str, ...] | None = None
    cpus: int | None = None
    memory_mb: int | None = None
    management_address: IPv4Address | None = None
    external_address: IPv4Address | None = None


@dataclass(frozen=True)
class SpecRequest:
    """A cloud as asked for; None and empty mean: choose for me."""

    name: str | None = None
    mode: str = DEFAULT_MODE
    region: str = REGION
    public_address: IPv4Address | None = None
    internal_address: IPv4Address | None = None
    nodes: tuple[NodeRequest, ...] = ()
    options: Mapping[str, Mapping[str, Mapping[str, str]]] = field(default_factory=dict)
