"""Datastore paths."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from viaduct_lab.storage.errors import InvalidPath, UnknownDatastore
from viaduct_lab.storage.paths import DatastorePath, Datastores


@pytest.mark.parametrize(
    ("text", "store", "path"),
    [
        ("[ds] a/b.vmdk", "ds", "a/b.vmdk"),
        ("[ds] /a/b", "ds", "a/b"),
        ("[my ds]a", "my ds", "a"),
        ("[ds]", "ds", ""),
        ("[ds] ", "ds", ""),
        ("[ds] a//./b/", "ds", "a/b"),
        ("[ds] name with ] bracket", "ds", "name with ] bracket"),
        ("[ds] ..a/b..", "ds", "..a/b.."),
    ],
)
def test_parse(text: str, store: str, path: str) -> None:
    parsed = DatastorePath.parse(text)
    assert (parsed.datastore, parsed.path) == (store, path)
    assert DatastorePath.parse(str(parsed)) == parsed


@pytest.mark.parametrize(
    "text",
    ["", "a/b", "[]", "[ ] a", "[ds] ../x", "[ds] a/../../x", "[ds] a\x00b", "[a/b] x", "[ds] " + "x" * 256],
)
def test_refused(text: str) -> None:
    with pytest.raises(InvalidPath):
        DatastorePath.parse(text)


@given(st.text(max_size=60))
def test_no_text_leads_out(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    root = Path("/nowhere/ds")
    try:
        path = DatastorePath.of("ds", text)
    except InvalidPath:
        return
    inside = (root / path.path).resolve()
    assert inside == root or root in inside.parents


def test_parts() -> None:
    path = DatastorePath.parse("[ds] vm/disk.vmdk")
    assert (path.name, path.stem, str(path.parent)) == ("disk.vmdk", "disk", "[ds] vm")
    assert str(path.sibling("x")) == "[ds] vm/x"
    assert str(path.parent.parent / "y") == "[ds] y"
    with pytest.raises(InvalidPath):
        _ = path / "../../x"


def test_links_out_of_the_datastore_are_refused(tmp_path: Path) -> None:
    stores = Datastores(tmp_path / "all")
    folder = stores.ensure("ds")
    (tmp_path / "secret").write_text("x")
    (folder / "link").symlink_to(tmp_path)
    (folder / "inner").symlink_to(folder)
    with pytest.raises(InvalidPath):
        stores.local(DatastorePath.parse("[ds] link/secret"))
    assert stores.local(DatastorePath.parse("[ds] inner/x")) == folder.resolve() / "inner" / "x"
    with pytest.raises(UnknownDatastore):
        stores.local(DatastorePath.parse("[other] x"))
    with pytest.raises(InvalidPath):
        stores.ensure("..")
