"""HostStorageSystem: a host's storage adapters."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from viaduct_lab.vcenter.core.context import Call
from viaduct_lab.vcenter.core.host_manager import HostManager
from viaduct_lab.vcenter.core.kinds import kind
from viaduct_lab.vcenter.core.managed_object import ManagedObject, soap_method
from viaduct_lab.vcenter.core.types import vim

if TYPE_CHECKING:
    from viaduct_lab.vcenter.kinds.host_system import HostSystem

_ISCSI_PORT = 3260


@kind
class HostStorageSystem(HostManager):
    """Storage of one host. iSCSI targets are remembered; there is no network storage behind them."""

    vim_type = vim.host.StorageSystem
    volatile = frozenset({"storageDeviceInfo", "fileSystemVolumeInfo"})

    @property
    def host(self) -> HostSystem:
        """The host."""
        from viaduct_lab.vcenter.kinds.host_system import HostSystem

        return self.center.registry.find(vim.HostSystem(self.host_moid), HostSystem)

    def prop_storageDeviceInfo(self) -> Any:
        return self.host.storage_device()

    def prop_fileSystemVolumeInfo(self) -> Any:
        return vim.host.FileSystemVolumeInfo(
            volumeTypeList=["VMFS", "NFS", "vsan"],
            mountInfo=[_mounted(datastore) for datastore in self.host.sources("datastore.host")],
        )

    def prop_systemFile(self) -> list[str]:
        return []

    @soap_method("AddInternetScsiSendTargets")
    def add_send_targets(self, call: Call, args: Any) -> None:
        self._check_adapter(args.iScsiHbaDevice)
        new = tuple(_address(target) for target in args.targets)
        known = self.host.state.send_targets
        self.host.state.send_targets = tuple(dict.fromkeys((*known, *new)))
        self._changed()

    @soap_method("RemoveInternetScsiSendTargets")
    def remove_send_targets(self, call: Call, args: Any) -> None:
        self._check_adapter(args.iScsiHbaDevice)
        gone = {_address(target) for target in args.targets}
        known = self.host.state.send_targets
        if not gone <= set(known):
            raise vim.fault.NotFound(msg="One of the targets is not configured.")
        self.host.state.send_targets = tuple(t for t in known if t not in gone)
        self._changed()

    @soap_method("RescanHba")
    def rescan_hba(self, call: Call, args: Any) -> None:
        self._check_adapter(args.hbaDevice)

    @soap_method("RescanAllHba")
    def rescan_all(self, call: Call, args: Any) -> None:
        """All LUNs are always known."""

    @soap_method("RescanVmfs")
    def rescan_vmfs(self, call: Call, args: Any) -> None:
        """All datastores are always known."""

    @soap_method("RefreshStorageSystem")
    def refresh(self, call: Call, args: Any) -> None:
        """The description is always the newest."""

    def _check_adapter(self, device: str) -> None:
        adapters = self.host.storage_device().hostBusAdapter
        if device not in [adapter.device for adapter in adapters]:
            raise vim.fault.NotFound(msg=f"The host has no adapter {device}.")

    def _changed(self) -> None:
        self.host.changed("config")
        self.notify("storageDeviceInfo")


def _mounted(datastore: ManagedObject) -> Any:
    summary = datastore.read("summary")
    return vim.host.FileSystemMountInfo(
        mountInfo=vim.host.MountInfo(
            path=f"/vmfs/volumes/{datastore.moid}", accessMode="readWrite", mounted=True, accessible=True
        ),
        volume=vim.host.FileSystemVolume(type=summary.type, name=summary.name, capacity=summary.capacity),
        vStorageSupport="vStorageUnsupported",
    )


def _address(target: Any) -> str:
    return f"{target.address}:{target.port or _ISCSI_PORT}"
