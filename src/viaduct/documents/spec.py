"""Cloud specs: YAML to and from the model. An exported spec can be deployed again."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from ipaddress import IPv4Address
from pathlib import Path
from typing import Annotated, Any

import yaml
from pydantic import BeforeValidator, Field, ValidationError

from viaduct.documents.problems import Problem, refuse
from viaduct.documents.schema_errors import problems_of
from viaduct.documents.site_schema import Part, Text
from viaduct.documents.yaml_text import read_mapping
from viaduct.errors import SpecError
from viaduct.model.cloud import REGION, CloudSpec, Node
from viaduct.planning.request import NAME_PATTERN, NodeRequest, SpecRequest


def _option(value: Any) -> str:
    """Option values are text in configuration files; YAML's numbers and truth values are written as such."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str | int | float):
        return str(value)
    raise ValueError("is not a single value|Write text, a number, true or false.")


Name = Annotated[str, Field(pattern=NAME_PATTERN, max_length=40)]
Option = Annotated[str, BeforeValidator(_option)]


class NodePart(Part):
    name: Name
    roles: list[Text] | None = None
    cpus: int | None = Field(None, ge=1, le=128)
    memory_mb: int | None = Field(None, ge=2048)
    management_address: IPv4Address | None = None
    external_address: IPv4Address | None = None


class AddressesPart(Part):
    public: IPv4Address | None = None
    internal: IPv4Address | None = None


class SpecPart(Part):
    name: Name | None = None
    mode: Text = "tiny"
    region: Text = REGION
    addresses: AddressesPart = AddressesPart()
    nodes: list[NodePart] = Field(default_factory=list)
    options: dict[str, dict[str, dict[str, Option]]] = Field(default_factory=dict)


def load_spec(path: Path) -> SpecRequest:
    """Read a spec. What it leaves out is chosen by planning. Raises :class:`SpecError`."""
    raw = read_mapping(path, SpecError)
    try:
        part = SpecPart.model_validate(raw)
    except ValidationError as error:
        raise refuse(SpecError, path, problems_of(error, SpecPart)) from None
    problems = list(_duplicates(part))
    if problems:
        raise refuse(SpecError, path, problems)
    return SpecRequest(
        name=part.name,
        mode=part.mode,
        region=part.region,
        public_address=part.addresses.public,
        internal_address=part.addresses.internal,
        nodes=tuple(_node(node) for node in part.nodes),
        options=part.options,
    )


def _node(part: NodePart) -> NodeRequest:
    return NodeRequest(
        name=part.name,
        roles=tuple(part.roles) if part.roles is not None else None,
        cpus=part.cpus,
        memory_mb=part.memory_mb,
        management_address=part.management_address,
        external_address=part.external_address,
    )


def _duplicates(part: SpecPart) -> Iterator[Problem]:
    for key in ("name", "management_address", "external_address"):
        counts = Counter(value for n in part.nodes if (value := getattr(n, key)) is not None)
        for index, node in enumerate(part.nodes):
            if counts[getattr(node, key)] > 1:
                yield Problem(
                    f"nodes[{index}].{key}",
                    f"{getattr(node, key)} is given twice",
                    "Make it unique.",
                )


def dump_spec(spec: CloudSpec, *, portable: bool = False) -> str:
    """The spec as YAML. ``portable`` leaves out addresses, so that it fits another site."""
    document: dict[str, Any] = {"name": spec.name, "mode": spec.mode, "region": spec.region}
    if not portable:
        document["addresses"] = {
            "public": str(spec.public_address),
            "internal": str(spec.internal_address),
        }
    document["nodes"] = [_dump_node(node, portable) for node in spec.nodes]
    document["options"] = {
        file: {section: dict(values) for section, values in sections.items()}
        for file, sections in spec.options.items()
    }
    return yaml.safe_dump(document, sort_keys=False, default_flow_style=None, width=100)


def _dump_node(node: Node, portable: bool) -> dict[str, Any]:
    described: dict[str, Any] = {
        "name": node.name,
        "roles": list(node.roles),
        "cpus": node.cpus,
        "memory_mb": node.memory_mb,
    }
    if not portable:
        described["management_address"] = str(node.management_address)
        described["external_address"] = str(node.external_address)
    return described
