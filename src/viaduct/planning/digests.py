"""Digests that tell whether something was already done for exactly this cloud."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping

from viaduct.model.cloud import Cloud
from viaduct.model.observed import NodeVm


def _sha256(described: object) -> str:
    return hashlib.sha256(json.dumps(described, sort_keys=True).encode()).hexdigest()


def catalog_digest(cloud: Cloud) -> str:
    """Of all that registration depends on. Secrets enter as part of the hash only."""
    return _sha256(
        {
            "name": cloud.spec.name,
            "region": cloud.spec.region,
            "endpoints": [str(cloud.spec.public_address), str(cloud.spec.internal_address)],
            "secrets": {name: cloud.secret(name) for name in sorted(cloud.secrets)},
        }
    )


def incarnation(base: str, nodes: Mapping[str, NodeVm]) -> str:
    """``base`` bound to these very VMs: a node that was cloned anew has an empty database.

    A VM's instance UUID is made with each clone, so it tells incarnations apart even when a vCenter gives
    out the same reference again.
    """
    return _sha256([base, [[n, nodes[n].reference, nodes[n].uuid] for n in sorted(nodes)]])


def cloud_digest(node_digests: Mapping[str, str], catalog: str) -> str:
    """Of a whole cloud as it shall be: its nodes' states and its catalog."""
    return _sha256([sorted(node_digests.items()), catalog])
