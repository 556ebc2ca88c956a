"""A running vCenter, seen through pyVmomi."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from vcenter_server import VCenterProcess, fresh_vcenter, start_vcenter
from vcenter_vm.client import Lab

__all__ = ["fresh_vcenter"]


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[VCenterProcess]:
    """A server shared by all tests here."""
    with start_vcenter(tmp_path_factory.mktemp("vcenter"), network="127.0.79") as running:
        yield running


@pytest.fixture
def lab(server: VCenterProcess) -> Iterator[Lab]:
    """A client; afterwards no machine and no file may be left."""
    client = Lab(server)
    yield client
    client.clean()
    left = [str(path) for path in server.config.datastores_dir.rglob("*") if path.is_file()]
    client.close()
    assert left == []
