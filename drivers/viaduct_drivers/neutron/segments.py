"""Which segment of a network is ours, and what of it a distributed switch can carry. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from viaduct_drivers.neutron.errors import DvsError

SUPPORTED_TYPES: Final = ("vlan", "flat")


class UnsupportedSegment(DvsError):
    """A network asks for something that a port group cannot be."""


def our_segment(segments: Iterable[Mapping[str, Any]], physical_network: str) -> Mapping[str, Any] | None:
    """The segment on our physical network, None if the network has none there.

    A segment is a mapping with physical_network, network_type and segmentation_id.
    Raises UnsupportedSegment for two segments there, or one that is neither VLAN nor flat.
    """
    ours = [segment for segment in segments if segment["physical_network"] == physical_network]
    if not ours:
        return None
    if len(ours) > 1:
        raise UnsupportedSegment(
            f"a network can have one segment on physical network {physical_network}, not {len(ours)}"
        )
    if ours[0]["network_type"] not in SUPPORTED_TYPES:
        raise UnsupportedSegment(
            f"physical network {physical_network} is a distributed switch: it carries VLAN and flat "
            f"networks, not {ours[0]['network_type']}"
        )
    return ours[0]
