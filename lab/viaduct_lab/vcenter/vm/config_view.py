"""ConfigInfo and its relatives, projected from the state of a virtual machine."""

from __future__ import annotations

from typing import Any

from viaduct_lab.storage.paths import DatastorePath
from viaduct_lab.vcenter.core.types import support, vim
from viaduct_lab.vcenter.vm import guest_ids
from viaduct_lab.vcenter.vm.layout import Device
from viaduct_lab.vcenter.vm.state import VmState

_OPTIONAL = support.F_OPTIONAL


def vmx_path(state: VmState) -> DatastorePath:
    """The path of the machine's configuration file."""
    return state.hardware.folder / state.hardware.vmx


def allocation(shares: int) -> Any:
    """A ResourceAllocationInfo without reservation or limit."""
    return vim.ResourceAllocationInfo(
        reservation=0,
        expandableReservation=False,
        limit=-1,
        shares=vim.SharesInfo(level="normal", shares=shares),
    )


def _allocation(state: VmState, name: str) -> Any:
    known = state.settings.get(name)
    hardware = state.hardware
    default = hardware.cpus * 1000 if name == "cpuAllocation" else hardware.memory_mb * 10
    full = allocation(default)
    if known is None:
        return full
    for field in ("reservation", "limit", "expandableReservation"):
        if getattr(known, field) is not None:
            setattr(full, field, getattr(known, field))
    if known.shares is not None:
        full.shares = known.shares
        if known.shares.level == "normal":
            full.shares = vim.SharesInfo(level="normal", shares=default)
    return full


def resource_config(state: VmState, ref: Any) -> Any:
    """The property ``resourceConfig``."""
    return vim.ResourceConfigSpec(
        entity=ref,
        cpuAllocation=_allocation(state, "cpuAllocation"),
        memoryAllocation=_allocation(state, "memoryAllocation"),
    )


def hardware(state: VmState, devices: list[Device] | None = None) -> Any:
    """VirtualHardware with the full device list."""
    known = state.hardware
    return vim.vm.VirtualHardware(
        numCPU=known.cpus,
        numCoresPerSocket=known.cores_per_socket,
        memoryMB=known.memory_mb,
        virtualICH7MPresent=False,
        virtualSMCPresent=False,
        device=state.devices if devices is None else devices,
    )


def _files(state: VmState) -> Any:
    folder = f"{state.hardware.folder}/" if state.hardware.folder.path else str(state.hardware.folder)
    return vim.vm.FileInfo(
        vmPathName=str(vmx_path(state)),
        snapshotDirectory=folder,
        suspendDirectory=folder,
        logDirectory=folder,
    )


def _defaults(state: VmState) -> dict[str, Any]:
    return {
        "firmware": "bios",
        "cpuHotAddEnabled": False,
        "cpuHotRemoveEnabled": False,
        "memoryHotAddEnabled": False,
        "changeTrackingEnabled": False,
        "memoryReservationLockedToMax": False,
        "nestedHVEnabled": False,
        "vPMCEnabled": False,
        "vAssertsEnabled": False,
        "guestAutoLockEnabled": False,
        "messageBusTunnelEnabled": False,
        "npivTemporaryDisabled": True,
        "npivOnNonRdmDisks": False,
        "maxMksConnections": -1,
        "swapPlacement": "inherit",
        "migrateEncryption": "opportunistic",
        "latencySensitivity": vim.LatencySensitivity(level="normal"),
        "bootOptions": vim.vm.BootOptions(
            bootDelay=0,
            enterBIOSSetup=False,
            efiSecureBootEnabled=False,
            bootRetryEnabled=False,
            bootRetryDelay=10000,
            networkBootProtocol="ipv4",
        ),
        "tools": vim.vm.ToolsConfigInfo(
            toolsVersion=2147483647,
            toolsInstallType="guestToolsTypeOpenVMTools",
            afterPowerOn=True,
            afterResume=True,
            beforeGuestStandby=True,
            beforeGuestShutdown=True,
            toolsUpgradePolicy="manual",
            syncTimeWithHost=False,
        ),
        "flags": vim.vm.FlagInfo(
            disableAcceleration=False,
            enableLogging=True,
            useToe=False,
            runWithDebugInfo=False,
            monitorType="release",
            htSharing="any",
            snapshotDisabled=False,
            snapshotLocked=False,
            diskUuidEnabled=state.extra.get("disk.EnableUUID", "").upper() == "TRUE",
            virtualMmuUsage="automatic",
            virtualExecUsage="hvAuto",
            snapshotPowerOffBehavior="powerOff",
        ),
        "defaultPowerOps": vim.vm.DefaultPowerOpInfo(
            powerOffType="soft",
            suspendType="hard",
            resetType="soft",
            defaultPowerOffType="soft",
            defaultSuspendType="hard",
            defaultResetType="soft",
            standbyAction="checkpoint",
        ),
    }


def _extra_config(state: VmState) -> dict[str, str]:
    """What is configured and, for as long as the machine runs, what its guest has set over it."""
    merged = {**state.extra, **state.guest.guestinfo}
    return {key: value for key, value in merged.items() if value}


def config_info(state: VmState, name: str, datastore_urls: list[tuple[str, str]]) -> Any:
    """The property ``config``. ``datastore_urls``: (name, URL) of the datastores in use."""
    known = state.hardware
    values = {**_defaults(state), **state.settings}
    return vim.vm.ConfigInfo(
        changeVersion=f"{state.modified:%Y-%m-%dT%H:%M:%S.%fZ}-{known.change_version}",
        modified=state.modified,
        name=name,
        guestFullName=guest_ids.full_name(known.guest_id),
        guestId=known.guest_id,
        version=known.version,
        uuid=known.uuid,
        instanceUuid=known.instance_uuid,
        createDate=state.created,
        template=known.template,
        files=_files(state),
        hardware=hardware(state),
        extraConfig=[vim.option.OptionValue(key=k, value=v) for k, v in _extra_config(state).items()],
        datastoreUrl=[
            vim.vm.ConfigInfo.DatastoreUrlPair(name=label, url=url) for label, url in datastore_urls
        ],
        initialOverhead=vim.vm.ConfigInfo.OverheadInfo(initialMemoryReservation=0, initialSwapReservation=0),
        hotPlugMemoryLimit=known.memory_mb,
        hotPlugMemoryIncrementSize=0,
        **{
            **values,
            "cpuAllocation": _allocation(state, "cpuAllocation"),
            "memoryAllocation": _allocation(state, "memoryAllocation"),
        },
    )


def capability(state: VmState) -> Any:
    """The property ``capability``: what may be done to the machine."""
    denied = {
        "recordReplaySupported",
        "secureBootSupported",
        "s1AcpiManagementSupported",
        "featureRequirementSupported",
        "vendorDeviceGroupSupported",
    }
    required = (i for i in vim.vm.Capability._GetPropertyList() if i.type is bool and not i.flags & _OPTIONAL)
    return vim.vm.Capability(**{info.name: info.name not in denied for info in required})
