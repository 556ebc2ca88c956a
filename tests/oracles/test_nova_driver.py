"""Upstream Nova's unmodified vSphere driver against the lab's vCenter."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from oracles.appliance import Outcome
from vcenter_server import VCenterProcess

pytestmark = pytest.mark.lab

STEPS = (
    "start driver",
    "get_available_resource",
    "host stats",
    "spawn flat",
    "spawn sparse",
    "spawn full clone",
    "spawn streamOptimized",
    "list instances",
    "power off and on",
    "soft power off",
    "hard reboot",
    "soft reboot",
    "suspend and resume",
    "disk info",
    "MKS console",
    "volume connector",
    "attach interface",
    "detach interface",
    "snapshot to image",
    "resize",
    "make a volume's VM",
    "attach volume",
    "detach volume",
    "delete volume's VM",
    "relocate to another host",
    "diagnostics",
    "destroy all",
)


@pytest.fixture(scope="module")
def nova(run_oracle: Callable[[str], tuple[Outcome, Path]]) -> tuple[Outcome, Path]:
    return run_oracle("nova_driver.py")


@pytest.mark.parametrize("name", STEPS)
def test_step(nova: tuple[Outcome, Path], name: str) -> None:
    outcome, _exchange = nova
    assert name in outcome.steps, outcome.stderr
    assert outcome.steps[name].ok, outcome.steps[name].text


def test_nothing_else_failed(nova: tuple[Outcome, Path]) -> None:
    outcome, _exchange = nova
    assert set(outcome.steps) == set(STEPS)
    assert outcome.exit_status == 0


def test_snapshot_has_the_image_bytes(
    nova: tuple[Outcome, Path], holds_source_bytes: Callable[[Path], None]
) -> None:
    outcome, exchange = nova
    holds_source_bytes(exchange / Path(outcome.steps["snapshot to image"].text).name)


def test_instances_leave_only_the_image_cache(
    nova: tuple[Outcome, Path], oracle_vcenter: VCenterProcess
) -> None:
    """Nova keeps its cache and an empty folder for uploads; Cinder and Glance, on the same vCenter, theirs."""
    folder = oracle_vcenter.config.datastores_dir / "compute-ds"
    known = {"oracle_base", "vmware_temp", "cinder_temp", "openstack_glance"}
    assert {entry.name for entry in folder.iterdir()} <= known
