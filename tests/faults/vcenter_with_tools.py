"""The lab's vCenter, in which a simulated VM reports the address that its extraConfig names.

A real guest's VMware Tools report it; guests need root and an image. Run as the lab runs its own.
"""

from __future__ import annotations

import sys
from typing import Any

from viaduct_lab.vcenter.__main__ import main
from viaduct_lab.vcenter.vm import layout, summary_view

KEY = "test.address"

_guest_info = summary_view.guest_info


def guest_info(state: Any, network_names: dict[int, str]) -> Any:
    """``guest``, with the address on every adapter."""
    if address := state.extra.get(KEY):
        adapters = layout.adapters(state.devices)
        state.guest.addresses = {adapter.macAddress: (f"{address}/24",) for adapter in adapters}
    return _guest_info(state, network_names)


if __name__ == "__main__":
    summary_view.guest_info = guest_info
    sys.exit(main())
