"""Order of the tests, and what those need that run the real thing."""

from __future__ import annotations

import os
import signal
import subprocess
from pathlib import Path

import pytest

HOME = Path(__file__).parents[1]


def pytest_configure() -> None:
    """A runner in the background hands SIGINT down as ignored: tests of Ctrl-C need it as a terminal gives it."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Fast tests first, then those of the lab, then the whole cloud: a quick failure is seen quickly."""

    def rank(item: pytest.Item) -> int:
        if item.get_closest_marker("cloud"):
            return 2
        return 1 if item.get_closest_marker("lab") else 0

    items.sort(key=rank)
    if os.geteuid() != 0:
        for item in items:
            if rank(item):
                item.add_marker(pytest.mark.skip(reason="needs root: namespaces, mounts, cgroups"))


@pytest.fixture(scope="session")
def state_root() -> Path:
    """Where the tests' own state directories lie (``VIADUCT_TEST_STATE``)."""
    root = Path(os.environ.get("VIADUCT_TEST_STATE", "/var/lib/viaduct-test"))
    root.mkdir(mode=0o700, parents=True, exist_ok=True)
    return root


@pytest.fixture(scope="session")
def image(state_root: Path) -> Path:
    """The appliance, built if its recipe changed: the folder that holds its manifest.

    ``VIADUCT_TEST_IMAGE`` names one that is there already.
    """
    if ready := os.environ.get("VIADUCT_TEST_IMAGE"):
        return Path(ready).resolve()
    state = state_root / "cloud"
    done = subprocess.run(
        [str(HOME / "viaduct"), "--state", str(state), "image", "build"],
        capture_output=True,
        text=True,
        timeout=1200,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]
    return (state / "images" / "current").resolve()
