"""The tests of in_cinder, in_glance, in_neutron and in_nova, run by the appliance's own Python with its OpenStack.

The appliance has no pytest: what pytest consists of is pure Python and is lent to it from this environment.
"""

from __future__ import annotations

import importlib.metadata
import shutil
from pathlib import Path

import pytest

from oracles.appliance import PYTHON, enter

pytestmark = pytest.mark.lab

HERE = Path(__file__).parent
PYTEST = ("pytest", "pluggy", "iniconfig", "packaging", "pygments")


def _lend(folder: Path) -> None:
    """Copy pytest's packages into ``folder``."""
    for name in PYTEST:
        distribution = importlib.metadata.distribution(name)
        for file in distribution.files or ():
            if ".." in file.parts or file.suffix == ".pyc":
                continue
            target = folder / file
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(distribution.locate_file(file), target)


@pytest.mark.parametrize("service", ["cinder", "glance", "neutron", "nova"])
def test_corrections_hold(image: Path, tmp_path: Path, service: str) -> None:
    _lend(tmp_path / "lib")
    command = [PYTHON, "-m", "pytest", "-q", "-c", "/dev/null", "--rootdir", "/mnt", "-p", "no:cacheprovider"]
    done = enter(image, [*command, f"/mnt/in_{service}"], HERE, tmp_path, 240, PYTHONPATH="/srv/lib")
    last = done.stdout.strip().splitlines()[-1] if done.stdout.strip() else done.stderr
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
    assert " passed" in last
    assert "skipped" not in last
