"""A server's config drive says its addresses, whatever the subnet's `enable_dhcp` is.

Upstream: nova/virt/netutils.py, `_get_nets`. For a subnet with DHCP (Neutron's default) the config drive says only
"ask a DHCP server". On a plain distributed switch nothing answers, so that the server would stay without an address.
"""

from __future__ import annotations

import copy
from typing import Any

from nova.network import model


def with_addresses(network_info: Any) -> Any:
    """A copy of a server's network information in which no subnet is left to DHCP."""
    vifs = copy.deepcopy(list(network_info))
    for vif in vifs:
        for subnet in vif["network"]["subnets"]:
            for mark in ("enable_dhcp", "dhcp_server"):
                subnet["meta"].pop(mark, None)
    return model.NetworkInfo(vifs)
