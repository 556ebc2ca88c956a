"""The managers that each ESXi host has (``HostSystem.configManager``)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from viaduct_lab.vcenter.core.content import known, placeholder
from viaduct_lab.vcenter.core.kinds import kind_named
from viaduct_lab.vcenter.core.managed_object import ManagedObject
from viaduct_lab.vcenter.core.types import Ref, support, vim

if TYPE_CHECKING:
    from viaduct_lab.vcenter.core.center import VCenter


class HostManager(ManagedObject):
    """Base of the kinds that exist once a host, such as ``HostStorageSystem``.

    A kind registered for such a type is instantiated for every host as ``cls(center, moid, host_moid)``.
    """

    def __init__(self, center: VCenter, moid: str, host_moid: str) -> None:
        super().__init__(center, moid)
        self.host_moid = host_moid


def create_host_managers(center: VCenter, host: ManagedObject) -> dict[str, Ref]:
    """Create the managers of ``host``; returns their references by the name in ``HostConfigManager``."""
    number = host.moid.partition("-")[2]
    made: dict[str, Ref] = {}
    for info in vim.host.ConfigManager._GetPropertyList():
        if not known(info.version) or not issubclass(info.type, support.ManagedObject):
            continue
        moid = f"{info.name}-{number}"
        cls: Any = kind_named(info.type._wsdlName)
        manager = (
            cls(center, moid, host.moid)
            if cls is not None and issubclass(cls, HostManager)
            else placeholder(info.type)(center, moid)
        )
        center.registry.restore(manager)
        made[info.name] = manager.ref
    return made
