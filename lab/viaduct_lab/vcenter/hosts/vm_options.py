"""What VMs the lab's hosts can run, as vSphere data."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from viaduct_lab.vcenter.core import faults
from viaduct_lab.vcenter.core.types import Ref, vim

VERSIONS = ("vmx-13", "vmx-14", "vmx-15", "vmx-17", "vmx-18", "vmx-19", "vmx-20", "vmx-21")
"""Hardware versions that a host of our release supports."""

_GUESTS = (
    ("otherLinux64Guest", "Other Linux (64-bit)"),
    ("other5xLinux64Guest", "Other 5.x Linux (64-bit)"),
    ("other6xLinux64Guest", "Other 6.x or later Linux (64-bit)"),
    ("debian12_64Guest", "Debian GNU/Linux 12 (64-bit)"),
    ("ubuntu64Guest", "Ubuntu Linux (64-bit)"),
    ("rhel9_64Guest", "Red Hat Enterprise Linux 9 (64-bit)"),
    ("windows2019srvNext_64Guest", "Microsoft Windows Server 2022 (64-bit)"),
    ("otherGuest64", "Other (64-bit)"),
    ("otherGuest", "Other (32-bit)"),
)

_CONTROLLERS = (
    vim.vm.device.ParaVirtualSCSIController,
    vim.vm.device.VirtualLsiLogicController,
    vim.vm.device.VirtualLsiLogicSASController,
    vim.vm.device.VirtualIDEController,
)
_CARDS = (vim.vm.device.VirtualVmxnet3, vim.vm.device.VirtualE1000, vim.vm.device.VirtualE1000e)
_OTHER_DEVICES = (
    vim.vm.device.VirtualDisk,
    vim.vm.device.VirtualCdrom,
    vim.vm.device.VirtualSerialPort,
    vim.vm.device.VirtualVideoCard,
)


def option_descriptors(hosts: Iterable[Ref]) -> list[Any]:
    """``VirtualMachineConfigOptionDescriptor`` for each hardware version."""
    refs = list(hosts)
    return [
        vim.vm.ConfigOptionDescriptor(
            key=version,
            description=f"ESXi virtual machine, hardware version {version.removeprefix('vmx-')}",
            host=refs,
            createSupported=True,
            defaultConfigOption=version == VERSIONS[-1],
            runSupported=True,
            upgradeSupported=True,
        )
        for version in VERSIONS
    ]


def config_option(version: str) -> Any:
    """``VirtualMachineConfigOption`` of a hardware version, without the options of each device.

    Raises ``InvalidArgument`` for a version that we do not support.
    """
    if version not in VERSIONS:
        raise faults.invalid_argument("key", f"Hardware version {version} is not supported.")
    return vim.vm.ConfigOption(
        version=version,
        description=f"ESXi virtual machine, hardware version {version.removeprefix('vmx-')}",
        guestOSDescriptor=[_guest(guest, name) for guest, name in _GUESTS],
        guestOSDefaultIndex=0,
        supportedMonitorType=["release"],
        hardwareOptions=_hardware_options(version),
        capabilities=vim.vm.Capability(
            snapshotOperationsSupported=True,
            multipleSnapshotsSupported=True,
            poweredOffSnapshotsSupported=True,
            revertToSnapshotSupported=True,
            multipleCoresPerSocketSupported=True,
        ),
        datastore=vim.vm.DatastoreOption(),
    )


def _guest(guest: str, name: str) -> Any:
    return vim.vm.GuestOsDescriptor(
        id=guest,
        family="windowsGuest" if guest.startswith("windows") else "linuxGuest",
        fullName=name,
        supportedMaxCPUs=768,
        numSupportedPhysicalSockets=64,
        numSupportedCoresPerSocket=64,
        supportedMinMemMB=64,
        supportedMaxMemMB=25165824,
        recommendedMemMB=2048,
        recommendedColorDepth=32,
        supportedDiskControllerList=list(_CONTROLLERS),
        recommendedSCSIController=_CONTROLLERS[0],
        recommendedDiskController=_CONTROLLERS[0],
        supportedNumDisks=60,
        recommendedDiskSizeMB=16384,
        recommendedCdromController=vim.vm.device.VirtualAHCIController,
        supportedEthernetCard=list(_CARDS),
        recommendedEthernetCard=_CARDS[0],
        supportedFirmware=["bios", "efi"],
        recommendedFirmware="efi",
        supportLevel="supported",
        supportedForCreate=True,
        supportsPvscsiControllerForBoot=True,
        supportsHotPlugPCI=True,
        vRAMSizeInKB=_integers(0, 131072, 4096),
    )


def _hardware_options(version: str) -> Any:
    shares = vim.SharesOption(sharesOption=_integers(0, 1000000, 1000), defaultLevel="normal")
    allocation = vim.ResourceAllocationOption(sharesOption=shares)
    return vim.vm.VirtualHardwareOption(
        hwVersion=int(version.removeprefix("vmx-")),
        virtualDeviceOption=[
            vim.vm.device.VirtualDeviceOption(
                type=device, deprecated=False, plugAndPlay=True, hotRemoveSupported=True
            )
            for device in (*_CONTROLLERS, *_CARDS, *_OTHER_DEVICES)
        ],
        deviceListReadonly=False,
        numCPU=[1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 768],
        numCoresPerSocket=_integers(1, 64, 1),
        numCpuReadonly=False,
        memoryMB=vim.option.LongOption(min=4, max=25165824, defaultValue=2048),
        numPCIControllers=_integers(1, 1, 1),
        numIDEControllers=_integers(2, 2, 2),
        numUSBControllers=_integers(0, 1, 0),
        numUSBXHCIControllers=_integers(0, 1, 0),
        numSIOControllers=_integers(1, 1, 1),
        numPS2Controllers=_integers(1, 1, 1),
        resourceConfigOption=vim.ResourceConfigOption(
            cpuAllocationOption=allocation, memoryAllocationOption=allocation
        ),
    )


def _integers(least: int, most: int, default: int) -> Any:
    return vim.option.IntOption(min=least, max=most, defaultValue=default)
