"""A pretended OpenStack on loopback, and the cloud that points to it."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from identity_server import Answers, serving

from samples import sample_cloud
from viaduct.openstack.admin import OpenStackAdmin


@pytest.fixture
def api(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Answers, Path]]:
    """The server's answers (its password is the sample cloud's) and its CA file."""
    with serving(tmp_path) as (answers, ca_file):
        answers.password = sample_cloud().secret("admin_password")
        monkeypatch.setattr("viaduct.openstack.connection.identity_url", lambda cloud: answers.url("/v3"))
        yield answers, ca_file


@pytest.fixture
def admin(api: tuple[Answers, Path]) -> Iterator[OpenStackAdmin]:
    instance = OpenStackAdmin(sample_cloud(), api[1])
    yield instance
    instance.close()
