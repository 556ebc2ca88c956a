"""Control-plane VMs as vCenter shows them, recognised by what we wrote into their extraConfig."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pyVmomi import vim

from viaduct.model.observed import NodeVm
from viaduct.vsphere.collect import Row, below, of
from viaduct.vsphere.session import Session

CLOUD_KEY = "viaduct.cloud"
NODE_KEY = "viaduct.node"
TEMPLATE_KEY = "viaduct.template"
SHAPE_KEY = "viaduct.shape"
"""Digest of how the VM was asked for, set at clone; ``viaduct.node`` follows when the VM is complete."""
HOST_KEY = "guestinfo.viaduct.hostkey"
IDENTITY_KEY = "guestinfo.metadata"

_CLOUD_PATH = f'config.extraConfig["{CLOUD_KEY}"]'

PATHS = (
    "name",
    "runtime.powerState",
    "config.extraConfig",
    "config.instanceUuid",
    "config.hardware.numCPU",
    "config.hardware.memoryMB",
    "guest.net",
    "guest.toolsRunningStatus",
)


def nodes_of(session: Session, cloud: str) -> tuple[NodeVm, ...]:
    """The cloud's complete nodes, by name. Two calls, however many VMs the vCenter has."""
    marked = below(session, session.content.rootFolder, {vim.VirtualMachine: ("name", _CLOUD_PATH)})
    own = [r.reference for r in marked if _value(r.get(_CLOUD_PATH)) == cloud]
    rows = of(session, own, vim.VirtualMachine, PATHS)
    found = [describe(r) for r in rows if NODE_KEY in extra_config(r)]
    return tuple(sorted(found, key=lambda vm: vm.name))


def describe(row: Row) -> NodeVm:
    """A node's VM out of its :data:`PATHS`."""
    extra = extra_config(row)
    return NodeVm(
        cloud=extra.get(CLOUD_KEY, ""),
        node=extra.get(NODE_KEY, ""),
        name=row.name,
        reference=row.moid,
        power=str(row.get("runtime.powerState", "")),
        template=extra.get(TEMPLATE_KEY, ""),
        uuid=row.get("config.instanceUuid") or "",
        identified=bool(extra.get(IDENTITY_KEY)),
        host_key=extra.get(HOST_KEY, "").strip(),
        addresses=addresses(row.get("guest.net") or ()),
        tools_running=row.get("guest.toolsRunningStatus") == "guestToolsRunning",
        cpus=row.get("config.hardware.numCPU", 0),
        memory_mb=row.get("config.hardware.memoryMB", 0),
    )


def extra_config(row: Row) -> dict[str, str]:
    """The VM's extraConfig as text by key."""
    return {o.key: str(o.value) for o in row.get("config.extraConfig") or () if o.value is not None}


def addresses(adapters: Sequence[Any]) -> tuple[str, ...]:
    """IPv4 addresses that the guest reports, in adapter order."""
    return tuple(a for n in adapters for a in n.ipAddress or () if ":" not in a)


def _value(option: Any) -> str | None:
    """An indexed property path gives the option itself, or its value, by vCenter's release."""
    if option is None:
        return None
    return str(getattr(option, "value", option))
