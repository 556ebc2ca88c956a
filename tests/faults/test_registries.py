"""Package registries that do not answer: the Python package index, and the Debian mirror."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from faults.commands import HOME, apart, argv, run

DEAD_INDEX = {
    "PIP_CONFIG_FILE": os.devnull,
    "PIP_INDEX_URL": "http://127.0.0.1:9/simple",
    "PIP_RETRIES": "0",
    "PIP_NO_CACHE_DIR": "1",
    "UV_HTTP_RETRIES": "0",
}
SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def test_the_launcher_names_a_package_index_that_does_not_answer(tmp_path: Path) -> None:
    state = tmp_path / "state"
    told = run([str(HOME / "viaduct"), "--state", str(state), "status"], DEAD_INDEX)
    told.refuses("MACHINE-005", "requirements/manager.lock could not be installed", "package index answers")
    assert str(state / "log" / "environment.log") in told.err
    assert not list((state / "venv").iterdir()), "half an environment is none"


def test_a_debian_mirror_that_does_not_answer(tmp_path: Path) -> None:
    """As root, whom the namespace makes us; apt's settings, and what is written, are the test's."""
    for name in ("lists/partial", "cache/archives/partial", "parts", "disk"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "sources.list").write_text("deb [trusted=yes] http://127.0.0.1:9/debian bookworm main\n")
    (tmp_path / "apt.conf").write_text(
        f'Dir::Etc::sourcelist "{tmp_path}/sources.list";\nDir::Etc::sourceparts "{tmp_path}/parts";\n'
        f'Dir::State::lists "{tmp_path}/lists";\nDir::Cache "{tmp_path}/cache";\n'
        'Acquire::Retries "0";\nAPT::Sandbox::User "root";\n'
    )
    install = [str(HOME / "launcher" / "install-packages"), "to try it", "viaduct-no-such-package"]
    script = f"""
        mount -t tmpfs tmpfs {tmp_path}/disk
        mkdir {tmp_path}/disk/upper {tmp_path}/disk/work
        mount -t overlay -o lowerdir=/usr/sbin,upperdir={tmp_path}/disk/upper,workdir={tmp_path}/disk/work o /usr/sbin
        ls /usr/sbin >{tmp_path}/before
        {shlex.join(install)} || status=$?
        ls /usr/sbin | diff {tmp_path}/before - || echo "a policy for daemons was left behind"
        exit $status
    """
    told = apart(f"set -e; {script}", extra={"APT_CONFIG": str(tmp_path / "apt.conf")})
    said = ("viaduct-no-such-package", "its last lines are above", "Debian mirror answers (apt-get update)")
    told.refuses("MACHINE-003", *said)
    assert "127.0.0.1:9" in told.err
    assert "left behind" not in told.out


@pytest.fixture
def state_with_trees(state_root: Path, image: Path) -> Iterator[Path]:
    """A state directory with the Debian of the built image, but without OpenStack's packages."""
    state = state_root / "faults"
    _remove(state)
    built = image.parent
    (state / "images" / "layers").mkdir(parents=True, mode=0o700)
    (state / "cache").mkdir()
    for tree in (*built.glob("layers/base-*"), *built.glob("layers/schemas-*")):
        (state / "images" / "layers" / tree.name).symlink_to(tree)
    for tree in (built.parent / "cache").glob("builder-*"):
        (state / "cache" / tree.name).symlink_to(tree)
    yield state
    _remove(state)


def _remove(state: Path) -> None:
    subprocess.run(["rm", "-rf", str(state)], check=True)


def _half_made(state: Path) -> list[Path]:
    return [path for path in state.rglob(".tmp-*") if "cache/uv" not in str(path)]


@pytest.mark.lab
def test_an_appliance_whose_packages_cannot_be_fetched(state_with_trees: Path) -> None:
    state = state_with_trees
    uv = next(p for p in (Path(sys.executable).parent, *_environments(state.parent)) if (p / "uv").exists())
    with_uv = {**DEAD_INDEX, "PATH": f"{uv}:{SYSTEM_PATH}"}
    told = run(argv(state, "image", "build"), with_uv, timeout=240)
    told.refuses("E_PACKAGES", "Installing OpenStack's Python packages failed", "reaches its package index")
    assert "127.0.0.1:9" in told.err
    assert str(state / "log" / "image" / "openstack.log") in told.err
    assert not _half_made(state)
    assert not (state / "images" / "current").exists()
    told = run(argv(state, "image", "build"), {**DEAD_INDEX, "PATH": SYSTEM_PATH}, timeout=240)
    told.refuses("E_UV", "could not be fetched", "Check that pip reaches its package index")


def _environments(state_root: Path) -> list[Path]:
    return [*state_root.glob("*/venv/*/bin"), *state_root.glob("venv/*/bin")]


@pytest.mark.lab
def test_up_on_a_machine_whose_debian_mirror_does_not_answer(
    state_root: Path, image: Path, tmp_path: Path
) -> None:
    """``image`` is asked for because it installs the builder's packages; nothing of it is used."""
    state = state_root / "faults"
    _remove(state)
    (tmp_path / "parts").mkdir()
    (tmp_path / "parts" / "dead.list").write_text("deb http://127.0.0.1:9/debian bookworm main\n")
    (tmp_path / "apt.conf").write_text('Acquire::Retries "0";\n')
    script = f"""
        mount --bind {tmp_path}/parts /etc/apt/sources.list.d
        [ ! -e /etc/apt/sources.list ] || mount --bind /dev/null /etc/apt/sources.list
        exec {shlex.join(argv(state, "up"))}
    """
    try:
        told = run(
            ["unshare", "--mount", "sh", "-euc", script],
            {"APT_CONFIG": str(tmp_path / "apt.conf"), "PATH": SYSTEM_PATH},
            timeout=240,
        )
        said = ("The appliance could not be built: E_DEBIAN", "mirrors and proxies", "what is built is kept")
        told.refuses("IMAGE-001", *said)
        assert "Build the appliance image: failed after" in told.err
        assert "127.0.0.1:9" in told.err
        assert not _half_made(state)
        assert not (state / "clouds").exists()
    finally:
        _remove(state)


@pytest.mark.lab
def test_an_appliance_that_does_not_fit(image: Path, tmp_path: Path) -> None:
    """``up`` looks first; whoever runs the builder by itself is told, too."""
    (tmp_path / "disk").mkdir()
    build = shlex.join(["python3", str(HOME / "appliance" / "build.py"), "--state", f"{tmp_path}/disk/state"])
    told = apart(
        f"mount -t tmpfs -o size=50m tmpfs {tmp_path}/disk; exec {build}", extra={"PATH": SYSTEM_PATH}
    )
    told.refuses("E_DISK", "GiB are free", "the build needs 8", "Free some space")
