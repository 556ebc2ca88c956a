"""Files and folders; disks go along with their content."""

from __future__ import annotations

from pathlib import Path

import pytest

from viaduct_lab.storage import space
from viaduct_lab.storage.errors import Exists, InvalidPath, NotFound
from viaduct_lab.storage.files import Files
from viaduct_lab.storage.paths import DatastorePath, Datastores

MIB = 1 << 20


@pytest.fixture
def files(tmp_path: Path) -> Files:
    stores = Datastores(tmp_path)
    for name in ("one", "two"):
        stores.ensure(name)
    return Files(stores)


def at(text: str) -> DatastorePath:
    return DatastorePath.parse(text)


def write(files: Files, path: str, content: bytes = b"x") -> None:
    local = files.stores.local(at(path))
    local.parent.mkdir(parents=True, exist_ok=True)
    local.write_bytes(content)


def tree(files: Files, store: str) -> list[str]:
    root = files.stores.root / store
    return sorted(str(p.relative_to(root)) for p in root.rglob("*") if p.is_file())


def test_folders(files: Files) -> None:
    with pytest.raises(NotFound):
        files.make_folder(at("[one] a/b"))
    files.make_folder(at("[one] a/b"), parents=True)
    with pytest.raises(Exists):
        files.make_folder(at("[one] a"))
    assert str(files.unused_folder("one", "vm/1:x")) == "[one] vm_1_x"
    assert str(files.unused_folder("one", "vm/1:x")) == "[one] vm_1_x_1"


def test_disk_moves_as_one(files: Files) -> None:
    files.make_folder(at("[one] d"))
    files.disks.create(at("[one] d/a.vmdk"), MIB)
    files.move(at("[one] d/a.vmdk"), at("[two] b.vmdk"))
    assert (tree(files, "one"), tree(files, "two")) == ([], ["b-flat.vmdk", "b.vmdk"])
    files.copy(at("[two] b.vmdk"), at("[one] c.vmdk"))
    files.delete(at("[two] b.vmdk"))
    assert (tree(files, "one"), tree(files, "two")) == (["c-flat.vmdk", "c.vmdk"], [])


def test_folder_moves_and_copies(files: Files) -> None:
    write(files, "[one] a/b/c", b"deep")
    files.copy(at("[one] a"), at("[two] a"))
    files.move(at("[one] a"), at("[one] z"))
    assert (tree(files, "one"), tree(files, "two")) == (["z/b/c"], ["a/b/c"])
    files.delete(at("[one] z"))
    assert tree(files, "one") == []


def test_force_replaces(files: Files) -> None:
    write(files, "[one] a", b"new")
    write(files, "[one] b", b"old")
    with pytest.raises(Exists):
        files.move(at("[one] a"), at("[one] b"))
    files.move(at("[one] a"), at("[one] b"), force=True)
    assert files.stores.local(at("[one] b")).read_bytes() == b"new"
    assert tree(files, "one") == ["b"]


@pytest.mark.parametrize(("source", "target"), [("a", "a"), ("a", "a/b/c"), ("", "x")])
def test_moves_that_cannot_be(files: Files, source: str, target: str) -> None:
    write(files, "[one] a/b/f")
    with pytest.raises((InvalidPath, Exists)):
        files.move(at(f"[one] {source}"), at(f"[one] {target}"), force=True)
    assert tree(files, "one") == ["a/b/f"]


def test_search(files: Files) -> None:
    files.disks.create(at("[one] Disk.vmdk"), MIB)
    for name in ("a.iso", "b.ISO", ".a.iso.part", "lonely-flat.vmdk"):
        write(files, f"[one] {name}")
    files.make_folder(at("[one] sub"))
    root = at("[one]")
    every = [e.path.name for e in files.search(root, ())]
    assert every == ["Disk.vmdk", "a.iso", "b.ISO", "lonely-flat.vmdk", "sub"]
    assert [e.path.name for e in files.search(root, ("*.iso",))] == ["a.iso", "b.ISO"]
    assert [e.path.name for e in files.search(root, ("*.iso",), ignore_case=False)] == ["a.iso"]
    assert [e.path.name for e in files.search(root, ("Disk-flat.vmdk",))] == ["Disk-flat.vmdk"]
    assert files.search(root, ("../x", "nothing")) == []


def test_space(files: Files) -> None:
    files.disks.create(at("[one] thin.vmdk"), 8 * MIB)
    files.disks.create(at("[one] thick.vmdk"), 16 * MIB, thin=False)
    files.stores.local(at("[one] thin-flat.vmdk")).write_bytes(b"\1" * 2 * MIB)
    write(files, "[one] plain", b"\1" * MIB)
    found = space.measure(files, "one")
    assert 19 * MIB <= found.used <= 20 * MIB
    assert found.uncommitted <= 6 * MIB


def test_interrupted_writes_are_cleared(files: Files) -> None:
    for name in (".x.vmdk.part", "kept.part", "d/.y.1234.part", "s-system/upper/.guest.part"):
        write(files, f"[one] {name}")
    write(files, "[one] s-system/layers", b"/base\n")
    files.remove_partial("one")
    left = ["kept.part", "s-system/layers", "s-system/upper/.guest.part"]
    assert tree(files, "one") == left
