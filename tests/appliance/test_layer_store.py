"""Layers, images, locks and hashes: pure parts and files in a temporary state directory."""

from __future__ import annotations

import errno
import fcntl
import io
import json
import os
import shutil
import threading
from pathlib import Path

import build
import pytest
from imagebuild import hashing, prune, secrets_check
from imagebuild.errors import BuildError, log_tail
from imagebuild.pipeline import Options, make_plan
from imagebuild.preflight import check, check_space, file_system
from imagebuild.progress import Reporter
from imagebuild.sandbox import Root, clean_environment, mount_script
from imagebuild.store import Store

REPOSITORY = Path(__file__).resolve().parents[2]


@pytest.fixture
def store(tmp_path: Path) -> Store:
    store = Store(tmp_path / "state")
    with store.locked(lambda: None):
        pass
    return store


def test_digest_frames_its_parts() -> None:
    assert hashing.digest(["ab", "c"]) != hashing.digest(["a", "bc"])
    assert hashing.digest(["a"]) == hashing.digest([b"a"])


def test_tree_digest_sees_names_modes_and_contents_but_no_leftovers(tmp_path: Path) -> None:
    file = tmp_path / "a" / "f"
    file.parent.mkdir()
    file.write_text("1")
    seen = {hashing.tree_digest(tmp_path)}
    (tmp_path / "a/__pycache__").mkdir()
    (tmp_path / "a/__pycache__/f.pyc").write_text("x")
    assert hashing.tree_digest(tmp_path) in seen
    for change in (
        lambda: file.write_text("2"),
        lambda: file.chmod(0o755),
        lambda: file.rename(tmp_path / "a/g"),
        lambda: (tmp_path / "link").symlink_to("a"),
    ):
        change()
        now = hashing.tree_digest(tmp_path)
        assert now not in seen
        seen.add(now)


def test_a_changed_input_changes_its_layer_and_those_above_only(tmp_path: Path) -> None:
    home = tmp_path / "repo"
    shutil.copytree(
        REPOSITORY / "appliance", home / "appliance", ignore=shutil.ignore_patterns("__pycache__")
    )
    drivers = home / "drivers"
    drivers.mkdir()
    (drivers / "pyproject.toml").write_text("[project]\n")
    store = Store(tmp_path / "state")

    def plan() -> dict[str, str]:
        made = make_plan(store, Options(store.state, home / "appliance", drivers))
        return {layer.name.split("-")[0]: layer.name for layer in made.layers} | {"image": made.image_id}

    def changed(path: Path, text: str) -> set[str]:
        before = plan()
        path.write_text(path.read_text() + text)
        after = plan()
        return {name for name in after if after[name] != before[name]}

    recipe = home / "appliance"
    assert changed(drivers / "pyproject.toml", "# x\n") == {"viaduct", "image"}
    assert changed(recipe / "files/etc/cloud/cloud.cfg", "# x\n") == {"viaduct", "image"}
    assert changed(recipe / "base-packages.txt", "# only a comment\n") == set()
    assert changed(recipe / "base-packages.txt", "nano\n") == {"base", "viaduct", "image"}
    assert changed(recipe / "openstack.lock", "# x\n") == {"openstack", "schemas", "viaduct", "image"}


def test_leftovers_of_a_dead_build_are_cleared_and_whole_layers_kept(store: Store) -> None:
    whole = store.layers / "base-1"
    whole.mkdir()
    dead = [store.temporary(store.layers, "base-2"), store.temporary(store.cache, "scratch")]
    (dead[0] / "half").write_text("x")
    current, old = store.cache / "builder-1", store.cache / "builder-0"
    current.mkdir()
    old.mkdir()
    store.clear_leftovers(current)
    assert whole.is_dir()
    assert current.is_dir()
    assert not any(path.exists() for path in (*dead, old))


def test_publishing_switches_the_current_image_and_keeps_the_old_one(store: Store) -> None:
    store.publish("one", {"id": "one"})
    store.publish("two", {"id": "two"})
    assert os.readlink(store.images / "current") == "two"
    assert json.loads((store.images / "one/manifest.json").read_text())["id"] == "one"
    store.publish("one", {})
    assert json.loads((store.images / "current/manifest.json").read_text())["id"] == "one"


def test_a_second_build_waits_for_the_first(store: Store) -> None:
    waited, entered = threading.Event(), threading.Event()

    def second() -> None:
        with store.locked(waited.set):
            entered.set()

    with (store.images / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        thread = threading.Thread(target=second)
        thread.start()
        assert waited.wait(5)
        assert not entered.is_set()
    assert entered.wait(5)
    thread.join()


def test_prune_keeps_what_the_current_image_and_the_labs_machines_use(store: Store) -> None:
    for name in ("a", "b", "c", "d"):
        (store.layers / name).mkdir()
    store.publish("old", {"layers": ["../layers/a", "../layers/c"]})
    store.publish("new", {"layers": ["../layers/a", "../layers/b"]})
    disk = store.state / "lab/datastores/management-ds/node/node-system"
    disk.mkdir(parents=True)
    (disk / "layers").write_text(f"{store.layers / 'd'}\n")
    removed = {path.name for path in prune.prune(store)}
    assert removed == {"old", "c"}
    assert sorted(path.name for path in store.layers.iterdir()) == ["a", "b", "d"]


MOUNTS = """\
21 1 254:0 / / rw,relatime - ext4 /dev/vda rw
22 21 0:20 / /var rw - overlay overlay rw
23 22 0:21 / /var/lib rw - xfs /dev/vdb rw
24 21 0:22 / /with\\040blank rw - nfs4 server:/ rw
""".splitlines()


@pytest.mark.parametrize(
    ("path", "kind"),
    [("/home/x", "ext4"), ("/var/log", "overlay"), ("/var/lib/viaduct", "xfs"), ("/with blank/x", "nfs4")],
)
def test_the_file_system_of_a_path_is_its_deepest_mount(path: str, kind: str) -> None:
    assert file_system(Path(path), MOUNTS) == kind


def test_preflight_names_the_remedy(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(BuildError) as no_root:
        check(tmp_path)
    assert (no_root.value.code, "sudo" in no_root.value.remedy) == ("E_ROOT", True)
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(shutil, "which", lambda name: None if name == "mmdebstrap" else "/usr/bin/x")
    with pytest.raises(BuildError) as no_tool:
        check(tmp_path)
    assert "apt-get install mmdebstrap" in no_tool.value.remedy


def test_a_full_disk_is_found_before_the_build(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    usage = shutil._ntuple_diskusage(100 << 30, 93 << 30, 7 << 30)  # type: ignore[attr-defined]
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage)
    with pytest.raises(BuildError, match=r"Only 7\.0 GiB"):
        check_space(tmp_path)


def test_an_overlay_root_is_mounted_with_its_layers_top_first() -> None:
    root = Root(Path("/s/up"), Path("/s"), (Path("/l/base"), Path("/l/top")))
    script = mount_script(root, [("/etc/hosts", "/run/build/hosts")], network=False)
    assert "lowerdir=/l/top:/l/base,upperdir=/s/up,workdir=/s/work" in script
    assert "mount --bind /etc/hosts /s/root/run/build/hosts" in script
    assert "resolv.conf" not in script
    assert script.index("tmpfs -o mode=755 run") < script.index("/run/build/hosts")


def test_the_callers_environment_does_not_reach_the_build() -> None:
    environ = {
        "PYTHONPYCACHEPREFIX": "/x",
        "PYTHONPATH": "/y",
        "https_proxy": "http://p.invalid",
        "HOME": "/h",
    }
    kept = clean_environment(environ)
    assert not [name for name in kept if name.startswith("PYTHON")]
    assert kept["https_proxy"] == "http://p.invalid"
    assert kept["HOME"] == "/h"


def planted(folder: Path, name: str, text: str) -> list[str]:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    found = secrets_check.problems([folder], ["http://mirror.invalid/debian"])
    path.unlink()
    return found


def test_secrets_and_identities_are_found(tmp_path: Path) -> None:
    assert secrets_check.problems([tmp_path]) == []
    key = "-----BEGIN OPENSSH PRIVATE KEY-----\n" + "A" * 80 + "\n-----END OPENSSH PRIVATE KEY-----\n"
    assert planted(tmp_path, "etc/ssh/ssh_host_ed25519_key", "x")
    assert planted(tmp_path, "etc/machine-id", "0123456789abcdef0123456789abcdef\n")
    assert planted(tmp_path, "etc/some/tls.key", key)
    assert planted(tmp_path, "var/lib/rabbitmq/.erlang.cookie", "ABC")
    assert planted(tmp_path, "var/lib/mysql/ibdata1", "x")
    assert planted(tmp_path, "etc/shadow", "root:$y$j9T$abc:19000:0:99999:7:::\n")
    assert planted(tmp_path, "etc/shadow", "root::19000:0:99999:7:::\n")
    assert planted(tmp_path, "etc/apt/sources.list", "deb http://mirror.invalid/debian trixie main\n")
    assert not planted(tmp_path, "etc/machine-id", "")
    assert not planted(tmp_path, "etc/shadow", "root:*:19000:0:99999:7:::\n")
    assert not planted(tmp_path, "opt/openstack/etc/x.conf", "# -----BEGIN PRIVATE KEY-----\n")


def test_progress_is_one_json_object_a_line() -> None:
    stream = io.StringIO()
    reporter = Reporter(as_json=True, stream=stream)
    with reporter.step("base", "Debian"):
        pass
    with pytest.raises(ValueError, match="x"), reporter.step("schemas", "Schemas"):
        raise ValueError("x")
    reporter.emit("image", "E_X: broken", "failed", 1.0, {"remedy": "mend it"})
    events = [json.loads(line) for line in stream.getvalue().splitlines()]
    assert [(event["step"], event["state"]) for event in events] == [
        ("base", "started"),
        ("base", "done"),
        ("schemas", "started"),
        ("schemas", "failed"),
        ("image", "failed"),
    ]
    assert all(set(event) >= {"step", "title", "state", "seconds"} for event in events)
    assert events[-1]["remedy"] == "mend it"


def test_a_failures_log_tail_is_its_last_lines(tmp_path: Path) -> None:
    log = tmp_path / "x.log"
    log.write_text("\n".join(map(str, range(100))))
    assert log_tail(log, 2) == ["98", "99"]
    assert log_tail(tmp_path / "none") == []


def test_a_disk_that_ran_full_is_named_as_such(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    failed = BuildError("E_DEBIAN", "apt failed", "check the mirror")
    full = OSError(errno.ENOSPC, "No space left on device")
    assert build.as_build_error(failed, tmp_path / "new") is failed
    assert build.as_build_error(full, tmp_path).code == "E_DISK_FULL"
    assert build.as_build_error(PermissionError(1, "no"), tmp_path).code == "E_IO"
    usage = shutil._ntuple_diskusage(100 << 30, 100 << 30, 1 << 20)  # type: ignore[attr-defined]
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage)
    assert build.as_build_error(failed, tmp_path).code == "E_DISK_FULL"


def test_a_folder_without_drivers_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BuildError, match="no Python distribution"):
        build.options_from(build.arguments(["--drivers", str(tmp_path)]))
    assert build.options_from(build.arguments(["--drivers", "none"])).drivers is None


def test_refreshing_packages_rebuilds_debian_but_not_openstack(store: Store) -> None:
    options = Options(store.state, REPOSITORY / "appliance", None)
    before = make_plan(store, options)
    store.refresh_packages("2026-01-01T00:00:00+00:00")
    after = make_plan(store, options)
    assert (before.base == after.base, before.builder == after.builder) == (False, False)
    assert before.openstack == after.openstack
    assert after == make_plan(store, options)
