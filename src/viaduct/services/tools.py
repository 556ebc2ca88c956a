"""What the use cases of one cloud work with: its site, the adapters, and where its files lie."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from viaduct.model.cloud import Cloud, Node
from viaduct.model.node_state import NodeState
from viaduct.model.site import Site
from viaduct.services.ports import (
    Authority,
    CloudRecords,
    NodeApplier,
    NodeTransport,
    OpenStack,
    Verifier,
    VSphere,
)


@dataclass(frozen=True)
class Patience:
    """How long each kind of waiting may take, in seconds.

    ``look``: for a node to say how it is, when that is only looked at.
    """

    boot: float = 300.0
    look: float = 20.0
    identity: float = 180.0
    services: float = 300.0
    shutdown: float = 90.0
    poll: float = 1.0


@dataclass(frozen=True)
class CloudTools:
    """Wired by :mod:`viaduct.app` for one cloud on one site.

    ``site_file`` is where ``site`` was read from; ``lab``: it is the lab's; ``directory`` holds the
    cloud's keys, certificates and ``clouds.yaml``.
    """

    name: str
    site: Site
    site_file: Path
    lab: bool
    directory: Path
    vsphere: VSphere
    transport: NodeTransport
    applier: NodeApplier
    authority: Authority
    openstack: Callable[[Cloud], OpenStack]
    verifier: Callable[[Cloud], Verifier]
    render: Callable[[Cloud, Node], NodeState]
    records: CloudRecords
    patience: Patience = Patience()
    sleep: Callable[[float], None] = time.sleep
    monotonic: Callable[[], float] = time.monotonic
