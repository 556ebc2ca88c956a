"""Which virtual machines of the cluster are this cloud's.

Upstream: nova/virt/vmwareapi/vmops.py, `list_instances`, and nova/compute/manager.py,
`_sanity_check_new_host`. Every virtual machine that carries `nvp.vm-uuid` counts as this compute service's,
also one of another cloud on the same cluster, and a compute service that is new in the database refuses to
start while there is one. So two clouds cannot share a cluster, and a cloud cannot be deployed again while
servers of its former life exist.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

CLOUD_KEY: Final = "viaduct.instance.cloud"
"""Key in a virtual machine's extraConfig; its value is the cloud's name."""

_UUID_PATH: Final = 'config.extraConfig["nvp.vm-uuid"]'
_CLOUD_PATH: Final = f'config.extraConfig["{CLOUD_KEY}"]'
PATHS: Final = ["runtime.connectionState", _UUID_PATH, _CLOUD_PATH]
"""Properties that `own_instances` reads."""

_LOST: Final = ("orphaned", "inaccessible")


def mark(factory: Any, config_spec: Any, cloud: str | None) -> None:
    """Add the cloud's name to the specification of a virtual machine."""
    if not cloud:
        return
    option = factory.create("ns0:OptionValue")
    option.key, option.value = CLOUD_KEY, cloud
    config_spec.extraConfig = [*(config_spec.extraConfig or []), option]


def own_instances(objects: Iterable[Any], cloud: str | None) -> list[str]:
    """The instance UUIDs of this cloud among virtual machines as the PropertyCollector returns them.

    Without a cloud's name: of every virtual machine that any Nova made. Those that vCenter has lost are
    left out.
    """
    uuids = []
    for item in objects:
        properties = {prop.name: prop.val for prop in getattr(item, "propSet", None) or []}
        uuid, owner = (properties.get(path) for path in (_UUID_PATH, _CLOUD_PATH))
        if uuid is None or not uuid.value or properties.get(PATHS[0]) in _LOST:
            continue
        if not cloud or (owner is not None and owner.value == cloud):
            uuids.append(str(uuid.value))
    return uuids
