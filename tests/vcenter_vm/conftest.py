"""A running vCenter, seen through pyVmomi; every response is checked against the official schema."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import Any

import pytest
from pyVmomi import SoapAdapter

from vcenter.official_schema import problems
from vcenter_server import VCenterProcess, fresh_vcenter, start_vcenter
from vcenter_vm.client import Lab

__all__ = ["fresh_vcenter"]


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[VCenterProcess]:
    """A server shared by all tests here."""
    with start_vcenter(tmp_path_factory.mktemp("vcenter"), network="127.0.79") as running:
        yield running


@pytest.fixture
def official(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Fail the test if pyVmomi received something that the official schema does not allow."""
    found: list[str] = []
    original = SoapAdapter.SoapResponseDeserializer.Deserialize

    def read(self: Any, response: Any, *args: Any, **kwargs: Any) -> Any:
        body = response.read() if hasattr(response, "read") else response
        found.extend(problems(body))
        return original(self, io.BytesIO(body), *args, **kwargs)

    monkeypatch.setattr(SoapAdapter.SoapResponseDeserializer, "Deserialize", read)
    yield
    assert found[:5] == []


@pytest.fixture
def lab(server: VCenterProcess, official: None) -> Iterator[Lab]:
    """A client; afterwards no machine and no file may be left."""
    client = Lab(server)
    yield client
    client.clean()
    left = [str(path) for path in server.config.datastores_dir.rglob("*") if path.is_file()]
    client.close()
    assert left == []
