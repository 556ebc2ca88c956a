"""Control group layouts, as tables."""

from pathlib import Path

import pytest

from viaduct_lab.guests import cgroups
from viaduct_lab.guests.cgroups import Layout, Limits
from viaduct_lab.guests.launcher import delegated_scope

HYBRID = """\
tmpfs /sys/fs/cgroup tmpfs rw,mode=755 0 0
cgroup /sys/fs/cgroup/cpu,cpuacct cgroup rw,relatime,cpu,cpuacct 0 0
cgroup /sys/fs/cgroup/memory cgroup rw,memory 0 0
cgroup /sys/fs/cgroup/freezer cgroup rw,freezer 0 0
cgroup /sys/fs/cgroup/pids cgroup rw,pids 0 0
cgroup /sys/fs/cgroup/blkio cgroup rw,blkio 0 0
cgroup /sys/fs/cgroup/systemd cgroup rw,xattr,name=systemd 0 0
cgroup2 /sys/fs/cgroup/unified cgroup2 rw 0 0
"""
UNIFIED = """\
sysfs /sys sysfs rw 0 0
cgroup2 /sys/fs/cgroup cgroup2 rw,nsdelegate 0 0
"""


def test_detect_hybrid():
    layout = cgroups.detect(HYBRID)
    assert not layout.unified
    assert layout.mounts == {
        "cpu": Path("/sys/fs/cgroup/cpu,cpuacct"),
        "memory": Path("/sys/fs/cgroup/memory"),
        "freezer": Path("/sys/fs/cgroup/freezer"),
        "pids": Path("/sys/fs/cgroup/pids"),
        "name=systemd": Path("/sys/fs/cgroup/systemd"),
        "": Path("/sys/fs/cgroup/unified"),
    }


def test_detect_unified():
    assert cgroups.detect(UNIFIED) == Layout(unified=True, mounts={"": Path("/sys/fs/cgroup")})


@pytest.mark.parametrize(
    ("unified", "own", "scope"),
    [
        (
            True,
            "0::/system.slice/viaduct-ab12-vm-1-0f0f0f.scope\n",
            "system.slice/viaduct-ab12-vm-1-0f0f0f.scope",
        ),
        (True, "0::/user.slice/user-0.slice/session-3.scope\n", None),
        (True, "0::/system.slice/viaduct-cd34-vm-1-0f0f0f.scope\n", None),
        (True, "0::/\n", None),
        (False, "5:memory:/\n0::/\n", None),
    ],
)
def test_the_scope_that_systemd_delegated(unified, own, scope):
    assert delegated_scope(Layout(unified, {}), own, "viaduct-ab12") == scope


GIB = 1 << 30


@pytest.mark.parametrize(
    ("unified", "limits", "processors", "settings"),
    [
        (
            False,
            Limits(4 * GIB, 2),
            2,
            {"memory": {"memory.limit_in_bytes": str(4 * GIB)}, "cpu": {"cpu.shares": "2048"}},
        ),
        (
            False,
            Limits(GIB, 1),
            4,
            {
                "memory": {"memory.limit_in_bytes": str(GIB)},
                "cpu": {"cpu.shares": "1024", "cpu.cfs_period_us": "100000", "cpu.cfs_quota_us": "100000"},
            },
        ),
        (True, Limits(GIB, 2), 2, {"": {"memory.max": str(GIB), "cpu.weight": "200"}}),
        (
            True,
            Limits(GIB, 2),
            8,
            {"": {"memory.max": str(GIB), "cpu.weight": "200", "cpu.max": "200000 100000"}},
        ),
        (True, Limits(GIB, 128), 8, {"": {"memory.max": str(GIB), "cpu.weight": "10000"}}),
    ],
)
def test_settings(unified, limits, processors, settings):
    assert cgroups.group_settings(Layout(unified, {}), limits, processors) == settings


def make_unified(tmp_path):
    return Layout(unified=True, mounts={"": tmp_path})


def make_legacy(tmp_path):
    mounts = {
        name: tmp_path / (name or "unified") for name in ("memory", "cpu", "freezer", "name=systemd", "")
    }
    for mount in mounts.values():
        mount.mkdir()
    return Layout(unified=False, mounts=mounts)


def test_create_unified_delegates_from_the_root_down(tmp_path):
    (made,) = cgroups.create(make_unified(tmp_path), "viaduct-ab", "vm-1", Limits(GIB, 1))
    assert made == str(tmp_path / "viaduct-ab" / "vm-1")
    assert (Path(made) / "memory.max").read_text() == str(GIB)
    assert (tmp_path / "cgroup.subtree_control").exists()
    assert (tmp_path / "viaduct-ab" / "cgroup.subtree_control").exists()


def test_create_in_a_delegated_scope_leaves_what_is_above_alone(tmp_path):
    (made,) = cgroups.create(make_unified(tmp_path), "a.slice/viaduct-ab-vm-1.scope", "vm-1", Limits(GIB, 1))
    assert made == str(tmp_path / "a.slice" / "viaduct-ab-vm-1.scope" / "vm-1")
    assert not (tmp_path / "cgroup.subtree_control").exists()
    assert not (tmp_path / "a.slice" / "cgroup.subtree_control").exists()
    assert (tmp_path / "a.slice" / "viaduct-ab-vm-1.scope" / "cgroup.subtree_control").exists()


def test_create_legacy_is_in_every_hierarchy(tmp_path):
    made = cgroups.create(make_legacy(tmp_path), "viaduct-ab", "vm-1", Limits(GIB, 1))
    assert len(made) == 5
    assert (tmp_path / "memory/viaduct-ab/vm-1/memory.limit_in_bytes").read_text() == str(GIB)
    assert int((tmp_path / "cpu/viaduct-ab/cpu.shares").read_text()) >= 1024


def test_hierarchies_mounted_together_give_one_directory(tmp_path):
    layout = Layout(unified=False, mounts={"cpu": tmp_path, "memory": tmp_path})
    assert len(cgroups.create(layout, "viaduct-ab", "vm-1", Limits(GIB, 1))) == 1


@pytest.mark.parametrize(
    ("file", "text", "frozen"),
    [
        ("freezer.state", "THAWED\n", False),
        ("freezer.state", "FROZEN\n", True),
        ("freezer.state", "FREEZING\n", True),
        ("cgroup.freeze", "0\n", False),
        ("cgroup.freeze", "1\n", True),
        ("other", "", False),
    ],
)
def test_is_frozen(tmp_path, file, text, frozen):
    (tmp_path / file).write_text(text)
    assert cgroups.is_frozen((str(tmp_path),)) is frozen


def test_freeze_uses_the_legacy_freezer_where_there_is_one(tmp_path):
    legacy, unified = tmp_path / "freezer", tmp_path / "unified"
    for folder in (legacy, unified):
        folder.mkdir()
    (legacy / "freezer.state").write_text("THAWED")
    (unified / "cgroup.freeze").write_text("0")
    # The unified one comes first here, as a hybrid machine may list it.
    assert cgroups.freeze((str(unified), str(legacy)))
    assert (legacy / "freezer.state").read_text() == "FROZEN"
    assert (unified / "cgroup.freeze").read_text() == "0"
    assert cgroups.thaw((str(unified), str(legacy)))
    assert not cgroups.is_frozen((str(legacy),))


def test_freeze_unified(tmp_path):
    (tmp_path / "cgroup.freeze").write_text("0")
    (tmp_path / "cgroup.events").write_text("populated 1\nfrozen 1\n")
    assert cgroups.freeze((str(tmp_path),))
    assert (tmp_path / "cgroup.freeze").read_text() == "1"


def test_freeze_that_does_not_happen(tmp_path):
    assert not cgroups.freeze((str(tmp_path),))
    (tmp_path / "cgroup.freeze").write_text("0")
    (tmp_path / "cgroup.events").write_text("populated 1\nfrozen 0\n")
    assert not cgroups.freeze((str(tmp_path),), timeout=0.05)


def test_leftovers_and_remove(tmp_path):
    layout = Layout(unified=False, mounts={"memory": tmp_path / "memory", "cpu": tmp_path / "cpu"})
    for path in ("memory/viaduct-ab/vm-1/payload/a.slice", "cpu/viaduct-ab/vm-1", "cpu/viaduct-ab/vm-2"):
        (tmp_path / path).mkdir(parents=True)
    (tmp_path / "memory/viaduct-cd/vm-9").mkdir(parents=True)
    found = cgroups.leftovers(layout, "viaduct-ab")
    assert found == {
        "vm-1": (str(tmp_path / "memory/viaduct-ab/vm-1"), str(tmp_path / "cpu/viaduct-ab/vm-1")),
        "vm-2": (str(tmp_path / "cpu/viaduct-ab/vm-2"),),
    }
    for directories in found.values():
        cgroups.remove(directories)
    assert not (tmp_path / "cpu/viaduct-ab").exists()
    assert (tmp_path / "memory/viaduct-cd/vm-9").exists()
