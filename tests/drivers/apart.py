"""Skips the tests of one OpenStack service where it is missing or where it would collide with another."""

from __future__ import annotations

import importlib.util
import sys

import pytest


def need(service: str, enemy: str) -> None:
    """Skip the calling test module unless `service` can be imported into this process."""
    if importlib.util.find_spec(service) is None or importlib.util.find_spec(f"{service}.version") is None:
        pytest.skip(f"{service} is not installed: see tests/drivers/README.md", allow_module_level=True)
    if enemy in sys.modules:
        pytest.skip(f"{enemy} is loaded in this process: run this folder apart", allow_module_level=True)
