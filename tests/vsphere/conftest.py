"""The lab's vCenter with an appliance template, and our client logged in to it."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from vcenter_site import Center, prepared

from viaduct.vsphere.client import VCenterClient


@pytest.fixture(scope="session")
def center(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Center]:
    """One vCenter for all tests of this folder: each test uses a cloud name of its own."""
    with prepared(tmp_path_factory.mktemp("vsphere")) as running:
        yield running


@pytest.fixture
def client(center: Center) -> Iterator[VCenterClient]:
    instance = VCenterClient(center.vcenter)
    yield instance
    instance.close()
    center.server.control("DELETE", "/faults")


@pytest.fixture
def cloud(request: pytest.FixtureRequest, center: Center, client: VCenterClient) -> Iterator[str]:
    """The name of a cloud that only this test uses; what it leaves is removed."""
    name = f"cloud{abs(hash(request.node.nodeid)) % 10**8}"
    yield name
    center.server.control("DELETE", "/faults")
    for vm in client.nodes(name):
        client.delete(vm)
    client.delete_folder(center.site, f"Viaduct/{name}")
