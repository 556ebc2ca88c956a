"""Reading YAML strictly: one document, a mapping, no key twice."""

from __future__ import annotations

from collections.abc import Hashable
from pathlib import Path
from typing import Any

import yaml

from viaduct.errors import InputError


class _Strict(yaml.SafeLoader):
    """The safe loader, which also refuses a key that is given twice."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        seen: set[str] = set()
        for key, _ in node.value:
            text = str(getattr(key, "value", key))
            if text in seen:
                raise yaml.constructor.ConstructorError(
                    None, None, f"the key '{text}' is given twice", key.start_mark
                )
            seen.add(text)
        return super().construct_mapping(node, deep)


def read_mapping(path: Path, kind: type[InputError]) -> dict[str, Any]:
    """The mapping in ``path``. Raises ``kind`` with line and column when it cannot be read."""
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise kind(f"{path} does not exist.", "Check the path.") from None
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not UTF-8 text"
        raise kind(f"{path} cannot be read: {reason}.", "Check the file and its mode.") from None
    try:
        # A subclass of SafeLoader: it builds plain data only.
        raw = yaml.load(text, Loader=_Strict)  # noqa: S506
    except yaml.YAMLError as error:
        raise kind(f"{path}{_where(error)}: {_what(error)}.", "Correct the YAML there.") from None
    if not isinstance(raw, dict):
        raise kind(f"{path} does not hold a mapping of keys to values.", "See docs/site-file.md.")
    return {str(key): value for key, value in raw.items()}


def _where(error: yaml.YAMLError) -> str:
    mark = getattr(error, "problem_mark", None)
    return f", line {mark.line + 1}, column {mark.column + 1}" if mark else ""


def _what(error: yaml.YAMLError) -> str:
    return str(getattr(error, "problem", None) or "not valid YAML")
