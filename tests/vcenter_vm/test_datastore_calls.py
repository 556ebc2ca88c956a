"""File manager, virtual disk manager and datastore browser."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import pytest

from vcenter_vm.client import MIB, Lab, add_disk, disks, vim

_B = vim.host.DatastoreBrowser


@pytest.fixture
def folder(lab: Lab) -> Iterator[str]:
    """An empty folder, deleted afterwards."""
    path = "[compute-ds] work"
    lab.content.fileManager.MakeDirectory(path, lab.datacenter)
    yield path
    lab.clean()
    lab.wait(lab.content.fileManager.DeleteDatastoreFile_Task(path, lab.datacenter))


def make(lab: Lab, path: str, size: int = MIB, kind: str = "thin") -> bytes:
    spec = vim.VirtualDiskManager.FileBackedVirtualDiskSpec(
        capacityKb=size // 1024, diskType=kind, adapterType="lsiLogic"
    )
    lab.wait(lab.content.virtualDiskManager.CreateVirtualDisk_Task(path, lab.datacenter, spec))
    content = os.urandom(size)
    lab.local(path.replace(".vmdk", "-flat.vmdk")).write_bytes(content)
    return content


def flat(lab: Lab, path: str) -> bytes:
    return lab.local(path.replace(".vmdk", "-flat.vmdk")).read_bytes()


def test_directories(lab: Lab, folder: str) -> None:
    manager, where = lab.content.fileManager, lab.datacenter
    with pytest.raises(vim.fault.FileAlreadyExists):
        manager.MakeDirectory(folder, where)
    with pytest.raises(vim.fault.FileNotFound):
        manager.MakeDirectory(f"{folder}/a/b", where)
    manager.MakeDirectory(f"{folder}/a/b", where, True)
    lab.wait(manager.MoveDatastoreFile_Task(f"{folder}/a", where, f"{folder}/c", where))
    assert lab.local(f"{folder}/c/b").is_dir()
    with pytest.raises(vim.fault.FileNotFound):
        lab.wait(manager.DeleteDatastoreFile_Task(f"{folder}/a", where))
    with pytest.raises(vim.fault.InvalidDatastorePath):
        manager.MakeDirectory("[compute-ds] ../out", where)
    with pytest.raises(vim.fault.InvalidDatastore):
        manager.MakeDirectory("[nowhere] x", where)


def test_disk_copy_move_extend_delete(lab: Lab, folder: str) -> None:
    manager, where = lab.content.virtualDiskManager, lab.datacenter
    one, two, three = (f"{folder}/{name}.vmdk" for name in ("one", "two", "three"))
    content = make(lab, one)
    lab.wait(manager.CopyVirtualDisk_Task(one, where, two))
    with pytest.raises(vim.fault.FileAlreadyExists):
        lab.wait(manager.CopyVirtualDisk_Task(one, where, two))
    lab.wait(manager.MoveVirtualDisk_Task(one, where, three))
    lab.wait(manager.ExtendVirtualDisk_Task(three, where, 2048, False))
    assert flat(lab, three) == content + bytes(MIB)
    with pytest.raises(Exception, match="smaller"):
        lab.wait(manager.ExtendVirtualDisk_Task(three, where, 1024, False))
    assert manager.QueryVirtualDiskUuid(two, where) != manager.QueryVirtualDiskUuid(three, where)
    lab.wait(manager.DeleteVirtualDisk_Task(two, where))
    with pytest.raises(vim.fault.FileNotFound):
        lab.wait(manager.DeleteVirtualDisk_Task(two, where))
    assert {p.name for p in lab.local(f"{folder}/x").parent.iterdir()} == {
        "three.vmdk", "three-flat.vmdk",
    }  # fmt: skip


def test_extending_shows_in_the_machine(lab: Lab, folder: str) -> None:
    """Cinder extends a volume's disk behind the back of its machine."""
    machine = lab.create("vm", add_disk(MIB))
    (disk,) = disks(machine)
    manager = lab.content.virtualDiskManager
    lab.wait(manager.ExtendVirtualDisk_Task(disk.backing.fileName, lab.datacenter, 4096, False))
    assert disks(machine)[0].capacityInKB == 4096
    lab.wait(machine.PowerOn())
    with pytest.raises(vim.fault.FileLocked):
        lab.wait(manager.DeleteVirtualDisk_Task(disk.backing.fileName, lab.datacenter))


def search(lab: Lab, path: str, **fields: Any) -> Any:
    browser = lab.datastore().browser
    return lab.wait(browser.SearchDatastore_Task(path, _B.SearchSpec(**fields)))


def test_search(lab: Lab, folder: str) -> None:
    make(lab, f"{folder}/disk.vmdk")
    assert lab.http("PUT", lab.folder_url("work/image.iso"), b"12345")[0] == 201
    lab.content.fileManager.MakeDirectory(f"{folder}/sub", lab.datacenter)
    every = search(lab, folder)
    assert [f.path for f in every.file] == ["disk.vmdk", "image.iso", "sub"]
    assert every.datastore == lab.datastore()
    assert {f.path: f.fileSize for f in every.file}["image.iso"] == 5
    found = search(lab, folder, matchPattern=["DISK.*"])
    assert [f.path for f in found.file] == ["disk.vmdk"]
    assert search(lab, folder, matchPattern=["nothing"]).file == []
    with pytest.raises(vim.fault.FileNotFound):
        search(lab, f"{folder}/missing")


def test_search_with_details(lab: Lab, folder: str) -> None:
    make(lab, f"{folder}/disk.vmdk", kind="preallocated")
    wanted = _B.VmDiskQuery.Details(capacityKb=True, thin=True, diskType=True, hardwareVersion=True)
    details = _B.FileInfo.Details(fileType=True, fileSize=True, modification=True, fileOwner=True)
    found = search(lab, folder, query=[_B.VmDiskQuery(details=wanted)], details=details)
    (info,) = found.file
    assert isinstance(info, _B.VmDiskInfo)
    assert (info.capacityKb, info.thin, info.owner) == (1024, False, "root")
    assert info.modification is not None


def test_search_below(lab: Lab, folder: str) -> None:
    lab.content.fileManager.MakeDirectory(f"{folder}/a/b", lab.datacenter, True)
    assert lab.http("PUT", lab.folder_url("work/a/b/f"), b"1")[0] == 201
    task = lab.datastore().browser.SearchDatastoreSubFolders_Task(folder, _B.SearchSpec(matchPattern=["f"]))
    found = {result.folderPath: [f.path for f in result.file] for result in lab.wait(task)}
    assert found == {f"{folder}/": [], f"{folder}/a/": [], f"{folder}/a/b/": ["f"]}
