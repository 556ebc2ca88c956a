"""Values survive oslo.config's reading."""

from __future__ import annotations

import pytest

from roles.parsing import oslo, parse_ini
from viaduct.roles import ini


@pytest.mark.parametrize(
    "value",
    [
        "plain",
        "pa$$word",
        "$name",
        "${name}",
        r"back\$lash",
        r"\\$",
        "a$",
        "'quoted'",
        '"quoted"',
        "'one",
        " blanks around ",
        "a = b: c # d ; e",
        "^(compute\\-ds|other)$",
        "",
    ],
)
def test_literal_is_read_back_unchanged(value: str) -> None:
    rendered = ini.render({"s": {"o": ini.literal(value)}})
    assert oslo(parse_ini(rendered), "s", "o", {"name": "WRONG"}) == value


@pytest.mark.parametrize("value", ["two\nlines", "carriage\rreturn"])
def test_line_breaks_are_refused(value: str) -> None:
    with pytest.raises(ValueError, match="line break"):
        ini.literal(value)


def test_render_keeps_order_and_repeats_tuples() -> None:
    rendered = ini.render({"b": {"z": 1, "a": True, "m": ("x", "y")}, "a": {"f": 0.5, "n": False}})
    body = [line for line in rendered.splitlines() if line and not line.startswith("#")]
    assert body == ["[b]", "z = 1", "a = true", "m = x", "m = y", "[a]", "f = 0.5", "n = false"]


def test_merge_lets_the_later_win_option_by_option() -> None:
    merged = ini.merge({"s": {"a": 1, "b": 2}}, {"s": {"b": 3}, "t": {"c": 4}})
    assert merged == {"s": {"a": 1, "b": 3}, "t": {"c": 4}}
