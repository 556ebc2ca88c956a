"""INI files from dictionaries: oslo.config's dialect, and the plain one of systemd, MariaDB and uWSGI."""

from __future__ import annotations

from collections.abc import Mapping

from viaduct.roles.state import header

Value = str | int | float | bool | tuple[str, ...]
"""A tuple becomes one line an item (oslo.config's MultiOpt, systemd's lists)."""

Section = Mapping[str, Value]
Sections = Mapping[str, Section]


def literal(text: str) -> str:
    r"""``text`` as an oslo.config value that is read back unchanged.

    oslo.config substitutes ``$name``, takes ``\$`` for a plain dollar, and strips blanks and one pair of
    quotes around a value. Raises ``ValueError`` for line breaks, which no value can hold.
    """
    if "\n" in text or "\r" in text:
        raise ValueError("a value of a configuration file cannot hold a line break")
    escaped = text.replace("$", r"\$")
    if escaped != escaped.strip() or (escaped[:1] in ("'", '"') and escaped[:1] == escaped[-1:]):
        return f'"{escaped}"'
    return escaped


def render(sections: Sections, *, separator: str = " = ") -> str:
    """The text of an INI file, with the header that every managed file has. Order is kept."""
    lines = [header()]
    for name, options in sections.items():
        lines.append(f"[{name}]\n")
        for option, value in options.items():
            lines.extend(f"{option}{separator}{text}\n" for text in _texts(value))
        lines.append("\n")
    return "".join(lines).rstrip("\n") + "\n"


def merge(*layers: Mapping[str, Mapping[str, Value]]) -> dict[str, dict[str, Value]]:
    """Sections laid over each other: a later layer's option wins."""
    merged: dict[str, dict[str, Value]] = {}
    for layer in layers:
        for name, options in layer.items():
            merged.setdefault(name, {}).update(options)
    return merged


def _texts(value: Value) -> tuple[str, ...]:
    if isinstance(value, tuple):
        return value
    if isinstance(value, bool):
        return ("true" if value else "false",)
    return (str(value),)
