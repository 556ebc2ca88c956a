"""RuntimeInfo, Summary and GuestInfo, projected from the state of a virtual machine."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from viaduct_lab.vcenter.core.types import Ref, vim
from viaduct_lab.vcenter.vm import guest_ids, layout
from viaduct_lab.vcenter.vm.config_view import vmx_path
from viaduct_lab.vcenter.vm.state import POWERED_OFF, POWERED_ON, VmState

_CPU_MHZ = 2400
_TOOLS_VERSION = "12389"


@dataclass(frozen=True)
class Usage:
    """Bytes that a machine occupies, and those that its thin disks may still take."""

    committed: int = 0
    uncommitted: int = 0


def runtime(state: VmState, host: Ref | None, connected: bool) -> Any:
    """The property ``runtime``."""
    power = state.power
    on = power.state == POWERED_ON
    return vim.vm.RuntimeInfo(
        host=host,
        connectionState="connected" if connected else "disconnected",
        powerState=power.state,
        vmFailoverInProgress=False,
        faultToleranceState="notConfigured",
        toolsInstallerMounted=False,
        suspendTime=power.suspend_time,
        bootTime=power.boot_time if power.state != POWERED_OFF else None,
        suspendInterval=0,
        memoryOverhead=(state.hardware.memory_mb // 64 + 32) << 20 if on else None,
        maxCpuUsage=state.hardware.cpus * _CPU_MHZ if on else None,
        maxMemoryUsage=state.hardware.memory_mb if on else None,
        numMksConnections=0,
        recordReplayState="inactive",
        cleanPowerOff=None if on else power.clean_off,
        onlineStandby=False,
        consolidationNeeded=False,
        paused=False,
        snapshotInBackground=False,
        quiescedForkParent=False,
        instantCloneFrozen=False,
        cryptoState=None,
        suspendedToMemory=False,
    )


def summary(state: VmState, name: str, ref: Ref, runtime_info: Any, usage: Usage, now: datetime) -> Any:
    """The property ``summary``."""
    hardware = state.hardware
    vapp = state.settings.get("vAppConfig")
    product = vapp.product[0] if vapp is not None and vapp.product else None
    cpu, memory = (state.settings.get(n) for n in ("cpuAllocation", "memoryAllocation"))
    return vim.vm.Summary(
        vm=ref,
        runtime=runtime_info,
        guest=_guest_summary(state),
        config=vim.vm.Summary.ConfigSummary(
            name=name,
            template=hardware.template,
            vmPathName=str(vmx_path(state)),
            memorySizeMB=hardware.memory_mb,
            cpuReservation=(cpu.reservation if cpu is not None else None) or 0,
            memoryReservation=(memory.reservation if memory is not None else None) or 0,
            numCpu=hardware.cpus,
            numEthernetCards=len(layout.adapters(state.devices)),
            numVirtualDisks=len(layout.disks(state.devices)),
            uuid=hardware.uuid,
            instanceUuid=hardware.instance_uuid,
            guestId=hardware.guest_id,
            guestFullName=guest_ids.full_name(hardware.guest_id),
            annotation=state.settings.get("annotation"),
            product=product,
            managedBy=state.settings.get("managedBy"),
            installBootRequired=False,
            tpmPresent=False,
            numVmiopBackings=0,
            hwVersion=hardware.version,
        ),
        storage=vim.vm.Summary.StorageSummary(
            committed=usage.committed,
            uncommitted=usage.uncommitted,
            unshared=usage.committed,
            timestamp=now,
        ),
        quickStats=_quick_stats(state, now),
        overallStatus="green",
    )


def _quick_stats(state: VmState, now: datetime) -> Any:
    """Plausible figures: a running machine uses a twentieth of its CPUs and a tenth of its memory."""
    on = state.power.state == POWERED_ON
    memory = state.hardware.memory_mb
    uptime = 0
    if on and state.power.boot_time is not None:
        uptime = max(0, int((now - state.power.boot_time).total_seconds()))
    return vim.vm.Summary.QuickStats(
        overallCpuUsage=state.hardware.cpus * _CPU_MHZ // 20 if on else 0,
        overallCpuDemand=state.hardware.cpus * _CPU_MHZ // 20 if on else 0,
        guestMemoryUsage=memory // 10 if on else 0,
        hostMemoryUsage=memory // 2 if on else 0,
        guestHeartbeatStatus=heartbeat(state),
        distributedCpuEntitlement=0,
        distributedMemoryEntitlement=0,
        staticCpuEntitlement=0,
        staticMemoryEntitlement=0,
        privateMemory=memory // 2 if on else 0,
        sharedMemory=0,
        swappedMemory=0,
        balloonedMemory=0,
        consumedOverheadMemory=memory // 64 if on else 0,
        compressedMemory=0,
        uptimeSeconds=uptime,
    )


def heartbeat(state: VmState) -> str:
    """The property ``guestHeartbeatStatus``."""
    return "green" if tools_running(state) else "gray"


def tools_running(state: VmState) -> bool:
    """Whether VMware Tools answer in the guest now."""
    return state.power.state == POWERED_ON and state.guest.tools_running


def _tools(state: VmState) -> dict[str, Any]:
    running = tools_running(state)
    return {
        "toolsStatus": "toolsOk" if running else "toolsNotRunning",
        "toolsVersionStatus": "guestToolsUnmanaged",
        "toolsVersionStatus2": "guestToolsUnmanaged",
        "toolsRunningStatus": "guestToolsRunning" if running else "guestToolsNotRunning",
    }


def _guest_summary(state: VmState) -> Any:
    running = tools_running(state)
    return vim.vm.Summary.GuestSummary(
        **_tools(state),
        guestId=state.hardware.guest_id if running else None,
        guestFullName=guest_ids.full_name(state.hardware.guest_id) if running else None,
        hostName=state.guest.hostname or None if running else None,
        ipAddress=primary_address(state) if running else None,
        hwVersion=state.hardware.version,
    )


def primary_address(state: VmState) -> str | None:
    """The address that is shown for the machine: the first adapter's first, IPv4 before IPv6."""
    found = []
    for adapter in layout.adapters(state.devices):
        for text in state.guest.addresses.get(adapter.macAddress, ()):
            address = ipaddress.ip_interface(text).ip
            if not address.is_loopback and not address.is_link_local:
                found.append(address)
    found.sort(key=lambda address: address.version)
    return str(found[0]) if found else None


def guest_info(state: VmState, network_names: dict[int, str]) -> Any:
    """The property ``guest``. ``network_names``: adapter key -> its port group's name."""
    running = tools_running(state)
    on = state.power.state == POWERED_ON
    return vim.vm.GuestInfo(
        **_tools(state),
        toolsVersion=_TOOLS_VERSION if running else "0",
        toolsInstallType="guestToolsTypeOpenVMTools" if running else None,
        guestId=state.hardware.guest_id if running else None,
        guestFamily=guest_ids.family(state.hardware.guest_id) if running else None,
        guestFullName=guest_ids.full_name(state.hardware.guest_id) if running else None,
        hostName=state.guest.hostname or None if running else None,
        ipAddress=primary_address(state) if running else None,
        net=_nics(state, network_names) if running else [],
        ipStack=_stack(state) if running and state.guest.addresses else [],
        disk=[],
        screen=vim.vm.GuestInfo.ScreenInfo(width=1024 if on else 0, height=768 if on else 0),
        guestState="running" if running else "notRunning",
        appHeartbeatStatus="appStatusGray",
        guestKernelCrashed=False,
        appState="none",
        guestOperationsReady=running,
        interactiveGuestOperationsReady=False,
        guestStateChangeSupported=running,
        hwVersion=state.hardware.version,
    )


def _nics(state: VmState, network_names: dict[int, str]) -> list[Any]:
    nics = []
    for adapter in layout.adapters(state.devices):
        interfaces = [
            ipaddress.ip_interface(text) for text in state.guest.addresses.get(adapter.macAddress, ())
        ]
        nics.append(
            vim.vm.GuestInfo.NicInfo(
                network=network_names.get(adapter.key),
                ipAddress=[str(interface.ip) for interface in interfaces],
                macAddress=adapter.macAddress,
                connected=bool(adapter.connectable and adapter.connectable.connected),
                deviceConfigId=adapter.key,
                ipConfig=vim.net.IpConfigInfo(
                    ipAddress=[
                        vim.net.IpConfigInfo.IpAddress(
                            ipAddress=str(interface.ip),
                            prefixLength=interface.network.prefixlen,
                            state="preferred",
                        )
                        for interface in interfaces
                    ]
                ),
            )
        )
    return nics


def _stack(state: VmState) -> list[Any]:
    name, _, domain = state.guest.hostname.partition(".")
    dns = vim.net.DnsConfigInfo(dhcp=False, hostName=name, domainName=domain, ipAddress=[])
    return [vim.vm.GuestInfo.StackInfo(dnsConfig=dns)]
