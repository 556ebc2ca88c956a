"""Upstream Cinder's unmodified VMDK driver against the lab's vCenter."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from oracles.appliance import Outcome

pytestmark = pytest.mark.lab

STEPS = (
    "set up",
    "statistics",
    "create",
    "extend",
    "from streamOptimized image",
    "from sparse image",
    "from preallocated image",
    "to image",
    "flat to image",
    "clone to image",
    "larger clone",
    "snapshot",
    "restored to image",
    "delete snapshot",
    "COW snapshot and revert",
    "attach",
    "delete all",
)


@pytest.fixture(scope="module")
def cinder(run_oracle: Callable[[str], tuple[Outcome, Path]]) -> tuple[Outcome, Path]:
    return run_oracle("cinder_vmdk.py")


@pytest.mark.parametrize("name", STEPS)
def test_step(cinder: tuple[Outcome, Path], name: str) -> None:
    outcome, _exchange = cinder
    assert name in outcome.steps, outcome.stderr
    assert outcome.steps[name].ok, outcome.steps[name].text


def test_nothing_else_failed(cinder: tuple[Outcome, Path]) -> None:
    outcome, _exchange = cinder
    assert set(outcome.steps) == set(STEPS)
    assert outcome.exit_status == 0


@pytest.mark.parametrize("name", ["to image", "flat to image", "clone to image", "restored to image"])
def test_uploaded_image_has_the_source_bytes(
    cinder: tuple[Outcome, Path], name: str, holds_source_bytes: Callable[[Path], None]
) -> None:
    outcome, exchange = cinder
    holds_source_bytes(exchange / Path(outcome.steps[name].text).name)
