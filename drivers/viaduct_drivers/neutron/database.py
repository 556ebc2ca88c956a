"""What Neutron's database says about the networks of our physical network. Imports Neutron."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from neutron.objects import network as network_objects
from neutron_lib import context as neutron_context

from viaduct_drivers.neutron.config import DvsOptions
from viaduct_drivers.neutron.portgroup import WantedPortGroup, wanted_port_group
from viaduct_drivers.neutron.segments import our_segment


class NetworkDatabase:
    """Reads through Neutron's versioned objects, so it works in the API process and in a command."""

    def __init__(self, options: DvsOptions) -> None:
        self._options = options

    def all(self) -> Iterable[WantedPortGroup]:
        """What every network with a segment on our physical network wants."""
        context = neutron_context.get_admin_context()
        segments = network_objects.NetworkSegment.get_objects(
            context, physical_network=self._options.physical_network
        )
        with_segment = {segment.network_id for segment in segments}
        if not with_segment:
            return []
        networks = network_objects.Network.get_objects(context, id=sorted(with_segment))
        wanted = (self._wanted(network) for network in networks)
        return [group for group in wanted if group is not None]

    def get(self, network_id: str) -> WantedPortGroup | None:
        """What one network wants, None if it does not exist or is not on our physical network."""
        context = neutron_context.get_admin_context()
        network = network_objects.Network.get_object(context, id=network_id)
        return None if network is None else self._wanted(network)

    def _wanted(self, network: Any) -> WantedPortGroup | None:
        segments = [
            {"physical_network": s.physical_network, "network_type": s.network_type,
             "segmentation_id": s.segmentation_id}
            for s in network.segments or []
        ]  # fmt: skip
        segment = our_segment(segments, self._options.physical_network)
        if segment is None:
            return None
        options = self._options
        return wanted_port_group(
            cloud=options.cloud,
            prefix=options.name_prefix,
            network_id=network.id,
            network_name=network.name or "",
            vlan=segment["segmentation_id"],
            port_security=network.security.port_security_enabled if network.security else True,
            admin_state_up=bool(network.admin_state_up),
        )
