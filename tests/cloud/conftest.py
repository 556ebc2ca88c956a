"""One cloud for all tests of this folder; removed at the end, whatever happened."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from cloud.commands import Viaduct


@pytest.fixture(scope="session")
def viaduct(state_root: Path) -> Iterator[Viaduct]:
    """The command line with the state directory ``cloud``; what an earlier run left there is removed first."""
    cli = Viaduct(state_root / "cloud")
    cli.run("down", "--purge", "--yes", "--keep-images", timeout=180)
    yield cli
    cli.run("down", "--purge", "--yes", "--keep-images", timeout=180)


@pytest.fixture(scope="session")
def deployed(viaduct: Viaduct) -> Viaduct:
    """The command line, with a verified cloud in the lab."""
    viaduct.succeed("up", timeout=1500)
    return viaduct
