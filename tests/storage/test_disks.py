"""Virtual disks with real bytes; ``qemu-img`` is the judge of what we write."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from viaduct_lab.storage import descriptor, system
from viaduct_lab.storage.convert import sparse_capacity
from viaduct_lab.storage.disks import Disks
from viaduct_lab.storage.errors import Exists, InvalidDisk, NotFound, StorageError
from viaduct_lab.storage.paths import DatastorePath, Datastores
from viaduct_lab.storage.sparse import copy_file

MIB = 1 << 20


@pytest.fixture
def disks(tmp_path: Path) -> Disks:
    stores = Datastores(tmp_path)
    for name in ("one", "two"):
        (stores.ensure(name) / "vm").mkdir()
    return Disks(stores)


def at(text: str) -> DatastorePath:
    return DatastorePath.parse(text)


DISK, OTHER = at("[one] vm/disk.vmdk"), at("[two] vm/other.vmdk")


def filled(disks: Disks, path: DatastorePath = DISK, size: int = MIB) -> bytes:
    """A disk with random bytes and a hole."""
    disks.create(path, size)
    content = os.urandom(size // 2) + bytes(size - size // 2)
    disks.flat_file(path).write_bytes(content)
    return content


def qemu(*arguments: object) -> str:
    command = ["qemu-img", *map(str, arguments)]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def names(disks: Disks, folder: str) -> list[str]:
    return sorted(path.name for path in disks.stores.local(at(folder)).iterdir())


def test_new_disk(disks: Disks) -> None:
    disks.create(DISK, 10 * MIB + 1, thin=False, eager=True, adapter="ide")
    info = disks.info(DISK)
    assert (info.kind, info.capacity, info.thin, info.eager) == ("flat", 10 * MIB + 512, False, True)
    assert info.adapter == "ide"
    assert names(disks, "[one] vm") == ["disk-flat.vmdk", "disk.vmdk"]
    seen = json.loads(qemu("info", "--output=json", disks.stores.local(DISK)))
    assert (seen["format"], seen["virtual-size"]) == ("vmdk", 10 * MIB + 512)
    with pytest.raises(Exists):
        disks.create(DISK, MIB)
    with pytest.raises(NotFound):
        disks.create(at("[one] nowhere/x.vmdk"), MIB)


def test_copy_and_its_independence(disks: Disks) -> None:
    content = filled(disks)
    disks.copy(DISK, OTHER)
    disks.flat_file(DISK).write_bytes(bytes(MIB))
    assert disks.flat_file(OTHER).read_bytes() == content
    assert disks.info(OTHER).uuid != disks.info(DISK).uuid
    with pytest.raises(Exists):
        disks.copy(DISK, OTHER)
    disks.copy(DISK, OTHER, force=True)
    assert disks.flat_file(OTHER).read_bytes() == bytes(MIB)


def test_child_names_its_parent(disks: Disks) -> None:
    content = filled(disks)
    near, far = at("[one] vm/child.vmdk"), OTHER
    for child, hint in ((near, "disk.vmdk"), (far, "[one] vm/disk.vmdk")):
        disks.copy(DISK, child, child=True)
        assert disks.info(child).parent == hint
        assert disks.read(child).parent_cid == disks.read(DISK).cid
        assert disks.flat_file(child).read_bytes() == content


def test_move_extend_delete(disks: Disks) -> None:
    content = filled(disks)
    disks.move(DISK, OTHER)
    assert names(disks, "[one] vm") == []
    disks.extend(OTHER, 3 * MIB)
    assert disks.flat_file(OTHER).read_bytes() == content + bytes(2 * MIB)
    assert disks.info(OTHER).capacity == 3 * MIB
    with pytest.raises(InvalidDisk):
        disks.extend(OTHER, MIB)
    disks.delete(OTHER)
    assert names(disks, "[two] vm") == []
    for action in (disks.delete, disks.info, disks.flat_file):
        with pytest.raises(NotFound):
            action(OTHER)


@pytest.mark.parametrize("subformat", ["monolithicSparse", "streamOptimized", "twoGbMaxExtentFlat"])
def test_foreign_formats_are_read(disks: Disks, tmp_path: Path, subformat: str) -> None:
    content = os.urandom(MIB) + bytes(MIB)
    raw = tmp_path / "raw"
    raw.write_bytes(content)
    local = disks.stores.local(DISK)
    qemu("convert", "-f", "raw", "-O", "vmdk", "-o", f"subformat={subformat}", raw, local)
    assert disks.info(DISK).capacity == 2 * MIB
    disks.copy(DISK, OTHER)
    assert disks.flat_file(OTHER).read_bytes() == content
    disks.flatten(DISK)
    assert disks.flat_file(DISK).read_bytes() == content
    assert disks.info(DISK).kind == "flat"


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(sectors=st.integers(1, 400), seed=st.binary(min_size=1, max_size=64))
def test_stream_round_trip(disks: Disks, sectors: int, seed: bytes) -> None:
    """Whatever is exported as streamOptimized comes back bit for bit."""
    content = (seed * (sectors * 512 // len(seed) + 1))[: sectors * 512]
    for path in (DISK, OTHER):
        if disks.stores.local(path).exists():
            disks.delete(path)
    disks.create(DISK, len(content))
    disks.flat_file(DISK).write_bytes(content)
    stream = disks.stores.local(at("[one] vm/stream"))
    disks.export(DISK, stream)
    assert sparse_capacity(stream.read_bytes()[:512]) == len(content)
    disks.create(OTHER, 512)
    disks.load(OTHER, stream)
    assert disks.flat_file(OTHER).read_bytes() == content
    assert disks.info(OTHER).capacity == len(content)


def test_longer_extent_than_described_loses_nothing(disks: Disks) -> None:
    """Nova computes a disk's size in whole KiB, then uploads an extent that may be longer."""
    disks.create(DISK, 1024)
    content = os.urandom(1500)
    disks.flat_file(DISK).write_bytes(content)
    disks.copy(DISK, OTHER)
    assert disks.flat_file(OTHER).read_bytes() == content + bytes(36)


def test_absorb(disks: Disks) -> None:
    filled(disks)
    child = at("[one] vm/disk-000001.vmdk")
    disks.copy(DISK, child, child=True)
    disks.extend(child, 2 * MIB)
    disks.flat_file(child).write_bytes(b"\1" * 2 * MIB)
    disks.absorb(DISK, child)
    assert names(disks, "[one] vm") == ["disk-flat.vmdk", "disk.vmdk"]
    assert disks.flat_file(DISK).read_bytes() == b"\1" * 2 * MIB
    assert disks.info(DISK).capacity == 2 * MIB


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"junk" * 300,
        b"# Disk DescriptorFile\nversion=1\n",
        b"# Disk DescriptorFile\ngibberish\n",
        b'# Disk DescriptorFile\nRW 8 FLAT "../../../etc/passwd" 0\n',
        b"KDMV" + b"\1\0\0\0" + bytes(504),
    ],
)
def test_broken_disks_are_refused(disks: Disks, content: bytes) -> None:
    disks.stores.local(DISK).write_bytes(content)
    with pytest.raises(StorageError):
        disks.copy(DISK, OTHER)
    assert names(disks, "[two] vm") == []
    disks.delete(DISK)
    assert names(disks, "[one] vm") == []


def test_uploaded_child_is_refused(disks: Disks) -> None:
    """A descriptor that names a parent would make us read a file of the uploader's choice."""
    text = '# Disk DescriptorFile\nparentCID=12345678\nparentFileNameHint="/etc/passwd"\n'
    text += 'createType="monolithicSparse"\nRW 8 FLAT "disk-flat.vmdk" 0\n'
    disks.stores.local(DISK).write_text(text)
    disks.stores.local(DISK.sibling("disk-flat.vmdk")).write_bytes(bytes(4096))
    with pytest.raises(InvalidDisk):
        disks.copy(DISK, OTHER)


# -- system disks --------------------------------------------------------------------------------


def test_system_disk(disks: Disks, tmp_path: Path) -> None:
    layers = (tmp_path / "base", tmp_path / "top")
    disks.create_system(DISK, 40 << 30, layers)
    folder = disks.system_folder(DISK)
    assert folder is not None
    (folder / "upper" / "etc").mkdir(mode=0o750)
    (folder / "upper" / "etc" / "passwd").write_text("root")
    (folder / "upper" / "link").symlink_to("/etc/nowhere")
    disks.copy(DISK, OTHER)
    copied = disks.system_folder(OTHER)
    assert copied is not None
    parts = system.read(copied)
    assert parts.layers == layers
    assert (parts.upper / "etc" / "passwd").read_text() == "root"
    assert (parts.upper / "etc").stat().st_mode & 0o777 == 0o750
    assert os.readlink(parts.upper / "link") == "/etc/nowhere"
    assert disks.info(OTHER).capacity == 40 << 30
    disks.extend(OTHER, 50 << 30)
    disks.move(OTHER, at("[two] vm/moved.vmdk"))
    assert names(disks, "[two] vm") == ["moved-system", "moved.vmdk"]
    with pytest.raises(InvalidDisk, match="file system"):
        disks.export(DISK, tmp_path / "x")
    disks.delete(DISK)
    assert names(disks, "[one] vm") == []


# -- pieces --------------------------------------------------------------------------------------


@given(
    sectors=st.integers(1, 1 << 40),
    thin=st.booleans(),
    adapter=st.sampled_from(["ide", "lsilogic"]),
    hint=st.none() | st.from_regex(r"[a-zA-Z0-9_. \[\]/-]{1,40}", fullmatch=True),
)
def test_descriptor_round_trip(sectors: int, thin: bool, adapter: str, hint: str | None) -> None:
    disk = descriptor.Descriptor(
        (descriptor.Extent(sectors, "VMFS", "x-flat.vmdk"),),
        descriptor.new_cid(),
        descriptor.new_uuid(),
        thin,
        adapter=adapter,
        parent_hint=hint,
    )
    assert descriptor.parse(descriptor.render(disk)) == disk


@pytest.mark.parametrize("layout", ["HDH", "DHD", "H", "D", ""])
def test_sparse_copy(tmp_path: Path, layout: str) -> None:
    """Data (D) and holes (H) arrive; holes take no room."""
    source, target = tmp_path / "source", tmp_path / "target"
    with source.open("wb") as file:
        for kind in layout:
            if kind == "D":
                file.write(b"\xaa" * MIB)
            else:
                file.seek(MIB, os.SEEK_CUR)
        file.truncate(file.tell())
    copy_file(source, target)
    assert target.read_bytes() == source.read_bytes()
    assert target.stat().st_blocks <= source.stat().st_blocks + 16
    assert sorted(p.name for p in tmp_path.iterdir()) == ["source", "target"]
