"""Layer 2: OpenStack in one virtual environment, from the lock, with its bytecode compiled."""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from pathlib import Path

from imagebuild.errors import BuildError
from imagebuild.hashing import digest, read_list
from imagebuild.pipconf import UvSettings
from imagebuild.sandbox import Root, Sandbox
from imagebuild.store import remove

PYTHON = "3.13"
VENV = "opt/openstack"
SITE_PACKAGES = f"{VENV}/lib/python{PYTHON}/site-packages"
_UV_CACHE = ".uv-cache"
_NETWORK_REMEDY = (
    "If the log says that a package cannot be fetched, check that this machine reaches its package index "
    "(`pip download nova==34.0.0 --no-deps` shows it) and its proxy and certificate settings of pip."
)


def content_hash(recipe: Path) -> str:
    """Hash of what decides the layer's content."""
    here = Path(__file__).parent
    return digest(
        [
            *read_list(recipe / "builder-packages.txt"),
            (recipe / "openstack.lock").read_bytes(),
            (here / "openstack.py").read_bytes(),
            (here / "compile_tree.py").read_bytes(),
        ]
    )


def rescue_cache(layers: Path, uv_cache: Path) -> None:
    """Take uv's cache back from the leftover of a build that was killed while it installed."""
    for cache in layers.glob(f".tmp-*/opt/{_UV_CACHE}"):
        if not uv_cache.exists():
            os.rename(cache, uv_cache)


def install(
    sandbox: Sandbox,
    builder: Path,
    lock: Path,
    target: Path,
    scratch: Path,
    uv: Path,
    settings: UvSettings,
    uv_cache: Path,
    log: Path,
) -> None:
    """Make the environment below `target`, inside the tree `builder`.

    uv's cache is moved next to the environment for that time: inside one mount uv can hard-link
    from the cache instead of copying a gigabyte.
    """
    opt = target / "opt"
    opt.mkdir()
    cache = opt / _UV_CACHE
    if uv_cache.is_dir():
        os.rename(uv_cache, cache)
    commands = [
        "/run/build/uv venv --quiet --no-project --python /usr/bin/python3 /opt/openstack",
        "/run/build/uv pip install --python /opt/openstack/bin/python --require-hashes --no-deps "
        # The few source distributions among them are built with the lock's setuptools.
        "--build-constraints /run/build/openstack.lock -r /run/build/openstack.lock",
        "rm -f /opt/openstack/.lock",
    ]
    env = {
        **settings.env,
        "UV_CACHE_DIR": f"/opt/{_UV_CACHE}",
        "UV_LINK_MODE": "hardlink",
        "UV_PYTHON_DOWNLOADS": "never",
        "UV_NO_PROGRESS": "1",
        "UV_NO_CONFIG": "1",
    }
    binds = [
        (str(opt), "/opt"),
        (str(uv), "/run/build/uv"),
        (str(lock), "/run/build/openstack.lock"),
        *settings.binds,
    ]
    try:
        root = Root(scratch / "upper", scratch, (builder,))
        status = sandbox.chroot(
            root, ["sh", "-euxc", "\n".join(commands)], log, env=env, binds=binds, network=True
        )
    finally:
        if cache.is_dir():
            remove(uv_cache)
            os.rename(cache, uv_cache)
    if status:
        raise BuildError("E_PACKAGES", "Installing OpenStack's Python packages failed.", _NETWORK_REMEDY, log)
    _remove_tests(target / SITE_PACKAGES)


# Test code that other code of the same distribution imports when it runs.
_KEPT_TESTS: frozenset[str] = frozenset()


def _remove_tests(site_packages: Path) -> None:
    """Drop the packages' own test suites: a third of the environment that no service imports."""
    for folder, folders, _files in os.walk(site_packages):
        for name in [name for name in folders if name in ("tests", "test")]:
            path = Path(folder, name)
            if path.relative_to(site_packages).as_posix() in _KEPT_TESTS:
                continue
            if (path / "__init__.py").is_file():
                shutil.rmtree(path)
                folders.remove(name)


def compile_bytecode(
    sandbox: Sandbox, layers: Sequence[Path], target: Path, scratch: Path, jobs: int, log: Path
) -> None:
    """Compile the environment in `target` with the appliance's own Python."""
    script = Path(__file__).with_name("compile_tree.py")
    binds = [(str(target / "opt"), "/opt"), (str(script), "/run/build/compile_tree.py")]
    root = Root(scratch / "upper", scratch, tuple(layers))
    argv = ["/usr/bin/python3", "/run/build/compile_tree.py", f"/{SITE_PACKAGES}", str(jobs)]
    if sandbox.chroot(root, argv, log, binds=binds):
        raise BuildError("E_BYTECODE", "Compiling OpenStack's bytecode failed.", "See the log.", log)
