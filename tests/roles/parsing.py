"""Reads rendered configuration back, the way that the programs on the node do."""

from __future__ import annotations

import re
import string
from collections.abc import Mapping

from viaduct.model.node_state import File, NodeState

Parsed = dict[str, dict[str, list[str]]]


def file(state: NodeState, path: str) -> File:
    """The file at ``path``."""
    found = [f for f in state.files if f.path == path]
    assert len(found) == 1, f"{path} is rendered {len(found)} times"
    return found[0]


def text(state: NodeState, path: str) -> str:
    """The text of the file at ``path``."""
    return file(state, path).content.decode()


def ini(state: NodeState, path: str) -> Parsed:
    """Section -> option -> values, in order of appearance."""
    return parse_ini(text(state, path))


def parse_ini(content: str) -> Parsed:
    """As oslo.config's parser reads it: blanks and one pair of quotes around a value do not count."""
    sections: Parsed = {}
    current: dict[str, list[str]] = {}
    for line in content.splitlines():
        if not line.strip() or line.startswith(("#", ";")):
            continue
        if line.startswith("["):
            name = line.strip()[1:-1]
            assert name not in sections, f"section {name} appears twice"
            current = sections[name] = {}
            continue
        key, _, value = line.partition("=")
        value = value.strip()
        if value and value[0] == value[-1] and value[0] in "'\"" and len(value) > 1:
            value = value[1:-1]
        current.setdefault(key.strip(), []).append(value)
    return sections


def oslo(parsed: Parsed, section: str, option: str, substitutes: Mapping[str, str] | None = None) -> str:
    """An option's value after oslo.config's substitution of ``$name``."""
    value = parsed[section][option][-1]

    class Template(string.Template):
        idpattern = r"[_a-z][\._a-z0-9]*"

    return Template(value.replace(r"\$", "$$")).safe_substitute(substitutes or {})


def haproxy(content: str) -> dict[str, list[list[str]]]:
    """Section ("frontend nova") -> its lines, split into words."""
    sections: dict[str, list[list[str]]] = {}
    current: list[list[str]] = []
    for line in content.splitlines():
        if not line.strip() or line.startswith("#"):
            continue
        if not line[0].isspace():
            current = sections[line.strip()] = []
        else:
            current.append(re.split(r"\s+", line.strip()))
    return sections
