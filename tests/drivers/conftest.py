"""Fixtures of the drivers' tests. This folder is on the path of the folders below it, too."""

from __future__ import annotations

import importlib.util

# The lab's vCenter needs the development environment; OpenStack's own may lack it.
if importlib.util.find_spec("uvloop") is not None:
    from vcenter_server import fresh_vcenter, vcenter  # noqa: F401
