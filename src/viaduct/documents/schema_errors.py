"""Pydantic's findings as problems that an administrator understands."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, get_args

from pydantic import BaseModel, ValidationError

from viaduct.documents.problems import Problem, did_you_mean

_REMEDIES = {
    "missing": "Add it (docs/site-file.md describes every field).",
    "ip_v4_address": "Write an IPv4 address such as 10.0.0.1.",
    "ip_v4_network": "Write a network such as 10.0.0.0/24, with no host bits set.",
    "list_type": "Write a list: [a, b].",
    "string_type": "Write text; put it in quotes if it looks like a number.",
    "int_parsing": "Write a whole number.",
    "int_type": "Write a whole number.",
    "dict_type": "Write keys and values below it.",
    "model_type": "Write keys and values below it.",
    "too_short": "Give at least one.",
    "string_too_short": "Write a value.",
}


def problems_of(error: ValidationError, schema: type[BaseModel]) -> list[Problem]:
    """One problem per finding, in the document's order."""
    return [_problem(finding, schema) for finding in error.errors(include_url=False)]


def field_path(location: Iterable[int | str]) -> str:
    """``("a", "b", 0)`` as ``a.b[0]``."""
    path = ""
    for part in location:
        path += f"[{part}]" if isinstance(part, int) else f".{part}" if path else part
    return path or "(the whole file)"


def _problem(finding: Any, schema: type[BaseModel]) -> Problem:
    kind, location, context = finding["type"], finding["loc"], finding.get("ctx") or {}
    field = field_path(location)
    if kind == "extra_forbidden":
        hint = did_you_mean(str(location[-1]), _keys_at(schema, location[:-1]))
        return Problem(field, "unknown key", hint)
    if kind == "missing":
        return Problem(field, "is missing", _REMEDIES[kind])
    if kind == "value_error":
        # Our own validators raise ValueError("what is wrong|what to do").
        sentence, _, remedy = str(context.get("error", finding["msg"])).partition("|")
        return Problem(field, sentence, remedy or "Correct the value.")
    return Problem(field, _lower(finding["msg"]), _remedy(kind, context))


def _remedy(kind: str, context: dict[str, Any]) -> str:
    if kind in _REMEDIES:
        return _REMEDIES[kind]
    bounds = {"greater_than_equal": "ge", "less_than_equal": "le"}
    if kind in bounds:
        side = "at least" if kind.startswith("greater") else "at most"
        return f"Write {side} {context[bounds[kind]]}."
    if kind == "string_pattern_mismatch":
        return "Use lower-case letters, digits and hyphens, starting with a letter."
    return "Correct the value."


def _lower(message: str) -> str:
    message = message.removeprefix("Input should be ").removeprefix("Input ")
    return f"is not {message}" if message.startswith("a ") else message[:1].lower() + message[1:]


def _keys_at(schema: type[BaseModel], location: Iterable[int | str]) -> list[str]:
    """The keys that the schema knows at ``location``."""
    at: type[BaseModel] | None = schema
    for part in location:
        if isinstance(part, int) or at is None:
            continue
        info = at.model_fields.get(part)
        at = _model_in(info.annotation) if info else None
    return list(at.model_fields) if at else []


def _model_in(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    for inner in get_args(annotation):
        found = _model_in(inner)
        if found:
            return found
    return None
