"""Hardware and configuration of a lab host as vSphere data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from viaduct_lab.vcenter.core.types import API_VERSION, Ref, vim

_RELEASE = API_VERSION.rsplit(".", 1)[0]
_BUILD = "24022510"
_CPU_MODEL = "Viaduct Lab CPU"


@dataclass(frozen=True)
class HostHardware:
    """Size of a host. The lab's hosts are larger than the machine: they are simulated."""

    memory_bytes: int = 128 << 30
    packages: int = 2
    cores: int = 32
    threads: int = 64
    cpu_mhz: int = 2400

    @property
    def total_mhz(self) -> int:
        """CPU capacity of all cores in MHz."""
        return self.cores * self.cpu_mhz


def product(host_uuid: str) -> Any:
    """``AboutInfo`` of an ESXi host."""
    return vim.AboutInfo(
        name="VMware ESXi",
        fullName=f"VMware ESXi {_RELEASE} build-{_BUILD} (Viaduct lab)",
        vendor="Viaduct",
        version=_RELEASE,
        build=_BUILD,
        localeVersion="INTL",
        localeBuild="000",
        osType="vmnix-x86",
        productLineId="embeddedEsx",
        apiType="HostAgent",
        apiVersion=API_VERSION,
        instanceUuid=host_uuid,
        licenseProductName="VMware ESX Server",
        licenseProductVersion="8.0",
    )


def hardware_summary(hardware: HostHardware, host_uuid: str) -> Any:
    """``HostHardwareSummary``."""
    return vim.host.Summary.HardwareSummary(
        vendor="Viaduct",
        model="Lab host",
        uuid=host_uuid,
        memorySize=hardware.memory_bytes,
        cpuModel=_CPU_MODEL,
        cpuMhz=hardware.cpu_mhz,
        numCpuPkgs=hardware.packages,
        numCpuCores=hardware.cores,
        numCpuThreads=hardware.threads,
        numNics=2,
        numHBAs=2,
    )


def hardware_info(hardware: HostHardware, host_uuid: str, name: str) -> Any:
    """``HostHardwareInfo``."""
    packages = _packages(hardware)
    return vim.host.HardwareInfo(
        systemInfo=vim.host.SystemInfo(vendor="Viaduct", model="Lab host", uuid=host_uuid, serialNumber=name),
        cpuInfo=vim.host.CpuInfo(
            numCpuPackages=hardware.packages,
            numCpuCores=hardware.cores,
            numCpuThreads=hardware.threads,
            hz=hardware.cpu_mhz * 1_000_000,
        ),
        cpuPkg=packages,
        memorySize=hardware.memory_bytes,
        numaInfo=vim.host.NumaInfo(
            type="NUMA",
            numNodes=hardware.packages,
            numaNode=[
                vim.host.NumaNode(
                    typeId=0,
                    cpuID=package.threadId,
                    memoryRangeBegin=0,
                    memoryRangeLength=hardware.memory_bytes // hardware.packages,
                )
                for package in packages
            ],
        ),
        smcPresent=False,
    )


def _packages(hardware: HostHardware) -> list[Any]:
    per_package = hardware.threads // hardware.packages
    return [
        vim.host.CpuPackage(
            index=index,
            vendor="intel",
            hz=hardware.cpu_mhz * 1_000_000,
            busHz=100_000_000,
            description=_CPU_MODEL,
            threadId=list(range(index * per_package, (index + 1) * per_package)),
            cpuFeature=[],
        )
        for index in range(hardware.packages)
    ]


def config_info(ref: Ref, address: str, host_uuid: str, hardware: HostHardware, storage: Any) -> Any:
    """``HostConfigInfo`` with product, network and storage."""
    return vim.host.ConfigInfo(
        host=ref,
        product=product(host_uuid),
        hyperThread=vim.host.CpuSchedulerSystem.HyperThreadScheduleInfo(
            available=True, active=True, config=True
        ),
        network=_network(address, host_uuid),
        storageDevice=storage,
        dateTimeInfo=vim.host.DateTimeInfo(
            timeZone=vim.host.DateTimeSystem.TimeZone(key="UTC", name="UTC", description="UTC", gmtOffset=0)
        ),
        option=[vim.option.OptionValue(key="Annotations.WelcomeMessage", value="")],
        systemResources=None,
        certificate=None,
        domainList=[],
        powerSystemCapability=None,
        assignableHardwareConfig=None,
    )


def _network(address: str, host_uuid: str) -> Any:
    digits = host_uuid.replace("-", "")
    mac = ":".join(["00", "50", "56", digits[0:2], digits[2:4], digits[4:6]])
    nics = [
        vim.host.PhysicalNic(
            key=f"key-vim.host.PhysicalNic-vmnic{index}",
            device=f"vmnic{index}",
            pci=f"0000:0{index}:00.0",
            driver="vmxnet3",
            linkSpeed=vim.host.PhysicalNic.LinkSpeedDuplex(speedMb=10000, duplex=True),
            spec=vim.host.PhysicalNic.Specification(),
            wakeOnLanSupported=False,
            mac=f"{mac[:-2]}{index:02x}",
        )
        for index in range(2)
    ]
    kernel_nic = vim.host.VirtualNic(
        device="vmk0",
        key="key-vim.host.VirtualNic-vmk0",
        portgroup="Management Network",
        spec=vim.host.VirtualNic.Specification(
            ip=vim.host.IpConfig(dhcp=False, ipAddress=address, subnetMask="255.255.255.0"),
            mac=mac,
            mtu=1500,
        ),
    )
    return vim.host.NetworkInfo(
        pnic=nics,
        vnic=[kernel_nic],
        dnsConfig=vim.host.DnsConfig(dhcp=False, hostName=address, domainName="", address=[]),
    )


def capability() -> Any:
    """``HostCapability``: what matters for placing and moving VMs."""
    supported = (
        "recursiveResourcePoolsSupported",
        "cpuMemoryResourceConfigurationSupported",
        "rebootSupported",
        "shutdownSupported",
        "vmotionSupported",
        "sanSupported",
        "nfsSupported",
        "iscsiSupported",
        "vlanTaggingSupported",
        "nicTeamingSupported",
        "highGuestMemSupported",
        "maintenanceModeSupported",
        "suspendedRelocateSupported",
        "backgroundSnapshotsSupported",
        "storageVMotionSupported",
        "vmotionWithStorageVMotionSupported",
        "cloneFromSnapshotSupported",
        "deltaDiskBackingsSupported",
        "vStorageCapable",
        "vmfsDatastoreMountCapable",
        "featureCapabilitiesSupported",
        "latencySensitivitySupported",
    )
    return vim.host.Capability(
        **dict.fromkeys(supported, True),
        maxSupportedVMs=1024,
        maxRunningVMs=1024,
        maxSupportedVcpus=1024,
        maxHostRunningVms=1024,
        maxHostSupportedVcpus=1024,
        vmDirectPathGen2Supported=False,
        supportedCpuFeature=[],
    )


def iscsi_name(host_uuid: str) -> str:
    """The initiator name of a host's software iSCSI adapter."""
    return f"iqn.1998-01.com.vmware:{host_uuid[:8]}"


def storage_device(host_uuid: str, datastore_names: list[str], send_targets: tuple[str, ...]) -> Any:
    """``HostStorageDeviceInfo``: a block adapter with one LUN a datastore, and software iSCSI."""
    block = vim.host.BlockHba(
        key="key-vim.host.BlockHba-vmhba0",
        device="vmhba0",
        bus=0,
        status="online",
        model="Viaduct lab adapter",
        driver="viaduct",
        pci="0000:03:00.0",
    )
    iscsi = _iscsi_adapter(host_uuid, send_targets)
    disks = [_disk(name) for name in datastore_names]
    return vim.host.StorageDeviceInfo(
        hostBusAdapter=[block, iscsi],
        scsiLun=disks,
        scsiTopology=vim.host.ScsiTopology(
            adapter=[
                vim.host.ScsiTopology.Interface(
                    key="key-vim.host.ScsiTopology.Interface-vmhba0",
                    adapter=block.key,
                    target=_paths(disks),
                ),
                vim.host.ScsiTopology.Interface(
                    key="key-vim.host.ScsiTopology.Interface-vmhba64",
                    adapter=iscsi.key,
                    target=[],
                ),
            ]
        ),
        softwareInternetScsiEnabled=True,
    )


def _paths(disks: list[Any]) -> list[Any]:
    return [
        vim.host.ScsiTopology.Target(
            key=f"key-vim.host.ScsiTopology.Target-vmhba0:0:{index}",
            target=index,
            lun=[
                vim.host.ScsiTopology.Lun(
                    key=f"key-vim.host.ScsiTopology.Lun-{disk.uuid}", lun=0, scsiLun=disk.key
                )
            ],
        )
        for index, disk in enumerate(disks)
    ]


def _disk(datastore: str) -> Any:
    digest = datastore.encode().hex()[:24].ljust(24, "0")
    name = f"naa.6000c29{digest}"
    return vim.host.ScsiDisk(
        key=f"key-vim.host.ScsiDisk-{name}",
        deviceName=f"/vmfs/devices/disks/{name}",
        deviceType="disk",
        devicePath=f"/vmfs/devices/disks/{name}",
        uuid=f"0200000000{digest}",
        lunType="disk",
        canonicalName=name,
        displayName=f"Lab disk of {datastore}",
        vendor="Viaduct",
        model="Lab disk",
        operationalState=["ok"],
        capacity=vim.host.DiskDimensions.Lba(blockSize=512, block=1 << 32),
        ssd=True,
    )


def _iscsi_adapter(host_uuid: str, send_targets: tuple[str, ...]) -> Any:
    hba = vim.host.InternetScsiHba
    return hba(
        key="key-vim.host.InternetScsiHba-vmhba64",
        device="vmhba64",
        bus=64,
        status="online",
        model="iSCSI Software Adapter",
        driver="iscsi_vmk",
        pci="",
        isSoftwareBased=True,
        canBeDisabled=True,
        iScsiName=iscsi_name(host_uuid),
        iScsiAlias="",
        discoveryCapabilities=hba.DiscoveryCapabilities(
            sendTargetsDiscoverySettable=True, staticTargetDiscoverySettable=True
        ),
        discoveryProperties=hba.DiscoveryProperties(
            iSnsDiscoveryEnabled=False,
            slpDiscoveryEnabled=False,
            staticTargetDiscoveryEnabled=True,
            sendTargetsDiscoveryEnabled=True,
        ),
        authenticationCapabilities=hba.AuthenticationCapabilities(
            chapAuthSettable=True, mutualChapSettable=True
        ),
        authenticationProperties=hba.AuthenticationProperties(
            chapAuthEnabled=False, chapAuthenticationType="chapProhibited"
        ),
        ipCapabilities=hba.IPCapabilities(),
        ipProperties=hba.IPProperties(dhcpConfigurationEnabled=False),
        configuredSendTarget=[_send_target(target) for target in send_targets],
    )


def _send_target(address: str) -> Any:
    host, _, port = address.rpartition(":")
    return vim.host.InternetScsiHba.SendTarget(address=host, port=int(port))
