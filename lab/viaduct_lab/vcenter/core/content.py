"""ServiceContent: the singletons that a client starts from."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

from viaduct_lab.vcenter.core.kinds import kind_named
from viaduct_lab.vcenter.core.managed_object import ManagedObject
from viaduct_lab.vcenter.core.types import API_VERSION, VimType, support, vim

if TYPE_CHECKING:
    from viaduct_lab.vcenter.core.center import VCenter

BUILD = "24022515"
_MOIDS = {
    "propertyCollector": "propertyCollector",
    "setting": "VpxSettings",
    "perfManager": "PerfMgr",
    "dvSwitchManager": "DVSManager",
}
_NOT_OF_VCENTER = frozenset({"accountManager", "rootFolder"})
_placeholders: dict[VimType, type[ManagedObject]] = {}


def placeholder(vim_type: VimType) -> type[ManagedObject]:
    """A kind without properties and methods for a type that nobody implements: its methods fault."""
    found = _placeholders.get(vim_type)
    if found is None:
        name = vim_type._wsdlName + "Placeholder"
        found = _placeholders[vim_type] = type(name, (ManagedObject,), {"vim_type": vim_type})
    return found


def kind_or_placeholder(vim_type: VimType) -> Any:
    """The class that implements ``vim_type``, or a placeholder."""
    return kind_named(vim_type._wsdlName) or placeholder(vim_type)


@cache
def _our_version() -> str:
    versions = support.GetServiceVersions("vim25")
    return next(version for version in versions if support.versionIdMap[version] == API_VERSION)


@cache
def known(version: str) -> bool:
    """Whether our API version has what came with ``version`` (pyVmomi's name of a version)."""
    return bool(support.IsChildVersion(_our_version(), version))


def create_singletons(center: VCenter, root_moid: str) -> None:
    """Create the ServiceInstance and all managers, and fill ``center.content``."""
    content = vim.ServiceInstanceContent(rootFolder=vim.Folder(root_moid), about=about(center))
    registry = center.registry
    registry.restore(kind_or_placeholder(vim.ServiceInstance)(center, "ServiceInstance"))
    for info in vim.ServiceInstanceContent._GetPropertyList():
        if info.name in _NOT_OF_VCENTER or not known(info.version):
            continue
        if not (isinstance(info.type, type) and issubclass(info.type, support.ManagedObject)):
            continue
        moid = _MOIDS.get(info.name) or info.name[0].upper() + info.name[1:]
        manager = registry.get(moid)
        if manager is None:
            manager = kind_or_placeholder(info.type)(center, moid)
            registry.restore(manager)
        setattr(content, info.name, manager.ref)
    center.content = content


def about(center: VCenter) -> Any:
    """``AboutInfo``: a vCenter of our API version, which says in its name what it is."""
    release = API_VERSION.rsplit(".", 1)[0]
    return vim.AboutInfo(
        name="VMware vCenter Server",
        fullName=f"VMware vCenter Server {release} build-{BUILD} (Viaduct lab)",
        vendor="Viaduct",
        version=release,
        patchLevel="00000",
        build=BUILD,
        localeVersion="INTL",
        localeBuild="000",
        osType="linux-x64",
        productLineId="vpx",
        apiType="VirtualCenter",
        apiVersion=API_VERSION,
        instanceUuid=center.instance_uuid,
        licenseProductName="VMware VirtualCenter Server",
        licenseProductVersion="8.0",
    )
