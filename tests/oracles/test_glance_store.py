"""Upstream glance_store's unmodified vSphere store against the lab's vCenter."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from oracles.appliance import Outcome
from vcenter_server import VCenterProcess

pytestmark = pytest.mark.lab

STEPS = ("start store", "add", "read", "size", "add of unknown size", "delete")


@pytest.fixture(scope="module")
def glance(run_oracle: Callable[[str], tuple[Outcome, Path]]) -> tuple[Outcome, Path]:
    return run_oracle("glance_store_vmware.py")


@pytest.mark.parametrize("name", STEPS)
def test_step(glance: tuple[Outcome, Path], name: str) -> None:
    outcome, _exchange = glance
    assert name in outcome.steps, outcome.stderr
    assert outcome.steps[name].ok, outcome.steps[name].text


def test_store_left_no_file(glance: tuple[Outcome, Path], oracle_vcenter: VCenterProcess) -> None:
    folder = oracle_vcenter.config.datastores_dir / "compute-ds" / "openstack_glance"
    assert not list(folder.iterdir()) if folder.exists() else True
