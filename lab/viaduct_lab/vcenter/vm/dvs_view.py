"""Configuration, summary and ports of distributed switches, projected from their kinds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from viaduct_lab.vcenter.core.types import Ref, vim
from viaduct_lab.vcenter.vm import dvs_vlan
from viaduct_lab.vcenter.vm.merging import merge

if TYPE_CHECKING:
    from viaduct_lab.vcenter.kinds.distributed_virtual_switch import VmwareDistributedVirtualSwitch
    from viaduct_lab.vcenter.kinds.dvs_portgroup import DistributedVirtualPortgroup

_s = vim.dvs.VmwareDistributedVirtualSwitch
_port = vim.dvs.DistributedVirtualPort
_UPLINKS = ("Uplink 1", "Uplink 2")


def product() -> Any:
    """The switch's product specification."""
    return vim.dvs.ProductSpec(
        name="DVS", vendor="VMware, Inc.", version="8.0.3", build="0", forwardingClass="etherswitch"
    )


def _no_shaping() -> Any:
    def off(value: int) -> Any:
        return vim.LongPolicy(inherited=False, value=value)

    return _port.TrafficShapingPolicy(
        inherited=False,
        enabled=vim.BoolPolicy(inherited=False, value=False),
        averageBandwidth=off(100_000_000),
        peakBandwidth=off(100_000_000),
        burstSize=off(104_857_600),
    )


def default_setting() -> Any:
    """The complete port settings that a switch begins with."""
    no = vim.BoolPolicy(inherited=False, value=False)
    yes = vim.BoolPolicy(inherited=False, value=True)
    return _s.VmwarePortConfigPolicy(
        blocked=no,
        vmDirectPathGen2Allowed=no,
        inShapingPolicy=_no_shaping(),
        outShapingPolicy=_no_shaping(),
        networkResourcePoolKey=vim.StringPolicy(inherited=False, value="-1"),
        vlan=_s.VlanIdSpec(inherited=False, vlanId=0),
        uplinkTeamingPolicy=_s.UplinkPortTeamingPolicy(
            inherited=False,
            policy=vim.StringPolicy(inherited=False, value="loadbalance_srcid"),
            reversePolicy=yes,
            notifySwitches=yes,
            rollingOrder=no,
            uplinkPortOrder=_s.UplinkPortOrderPolicy(
                inherited=False, activeUplinkPort=list(_UPLINKS), standbyUplinkPort=[]
            ),
        ),
        securityPolicy=_s.SecurityPolicy(
            inherited=False, allowPromiscuous=no, macChanges=no, forgedTransmits=no
        ),
        ipfixEnabled=no,
        txUplink=no,
    )


def config(switch: VmwareDistributedVirtualSwitch) -> Any:
    """The switch's ``config``."""
    known = switch.settings
    default = default_setting()
    if known.get("defaultPortConfig") is not None:
        default = merge(default, known["defaultPortConfig"])
    uplink = switch.center.registry.get(switch.uplink_moid or "")
    return _s.ConfigInfo(
        uuid=switch.uuid,
        name=switch.prop_name(),
        numStandalonePorts=0,
        numPorts=sum(len(group.port_keys) for group in switch.portgroups()),
        maxPorts=known.get("maxPorts") or 2147483647,
        uplinkPortPolicy=vim.DistributedVirtualSwitch.NameArrayUplinkPortPolicy(
            uplinkPortName=list(_UPLINKS)
        ),
        uplinkPortgroup=[uplink.ref] if uplink is not None else [],
        defaultPortConfig=default,
        host=[_member(ref) for ref in switch.host_refs()],
        productInfo=product(),
        extensionKey=known.get("extensionKey"),
        policy=known.get("policy"),
        description=known.get("description"),
        configVersion=str(switch.version),
        contact=known.get("contact") or vim.DistributedVirtualSwitch.ContactInfo(),
        createTime=switch.created,
        networkResourceManagementEnabled=False,
        maxMtu=known.get("maxMtu") or 9000,
        lacpApiVersion="multipleLag",
        multicastFilteringMode="snooping",
    )


def _member(host: Ref) -> Any:
    return vim.dvs.HostMember(
        config=vim.dvs.HostMember.ConfigInfo(
            host=host,
            maxProxySwitchPorts=1024,
            backing=vim.dvs.HostMember.PnicBacking(pnicSpec=[]),
        ),
        productInfo=product(),
        status="up",
        statusDetail="",
    )


def summary(switch: VmwareDistributedVirtualSwitch) -> Any:
    """The switch's ``summary``."""
    machines = {id(m): m for g in switch.portgroups() for m in g.sources("vm.network")}
    return vim.DistributedVirtualSwitch.Summary(
        name=switch.prop_name(),
        uuid=switch.uuid,
        numPorts=sum(len(group.port_keys) for group in switch.portgroups()),
        productInfo=product(),
        hostMember=switch.host_refs(),
        vm=[machine.ref for machine in machines.values()],
        host=switch.host_refs(),
        portgroupName=[group.prop_name() for group in switch.portgroups()],
        description=switch.settings.get("description"),
        contact=switch.settings.get("contact"),
        numHosts=len(switch.hosts),
    )


def full_setting(group: DistributedVirtualPortgroup) -> Any:
    """The settings of the group's ports: the switch's defaults, then what the group sets."""
    default = default_setting()
    known = group.switch.settings.get("defaultPortConfig")
    if known is not None:
        default = merge(default, known)
    return merge(default, group.setting)


def portgroup_config(group: DistributedVirtualPortgroup) -> Any:
    """The port group's ``config``."""
    known = group.settings
    policy = vim.dvs.DistributedVirtualPortgroup.PortgroupPolicy
    return vim.dvs.DistributedVirtualPortgroup.ConfigInfo(
        key=group.moid,
        name=group.prop_name(),
        numPorts=len(port_keys(group)),
        distributedVirtualSwitch=group.switch.ref,
        defaultPortConfig=full_setting(group),
        description=known.get("description"),
        type=group.binding,
        backingType="standard",
        policy=known.get("policy")
        or policy(
            blockOverrideAllowed=True,
            shapingOverrideAllowed=False,
            vendorConfigOverrideAllowed=False,
            livePortMovingAllowed=False,
            portConfigResetAtDisconnect=True,
        ),
        portNameFormat=known.get("portNameFormat"),
        scope=known.get("scope") or [],
        vendorSpecificConfig=known.get("vendorSpecificConfig") or [],
        configVersion=str(group.version),
        autoExpand=group.auto_expand if group.binding != "ephemeral" else None,
        uplink=group.is_uplink,
    )


def port_keys(group: DistributedVirtualPortgroup) -> list[str]:
    """The keys of the group's ports: the static ones, then those of ephemeral connections."""
    used = [str(adapter.backing.port.portKey) for _, adapter in group.connections()]
    return list(dict.fromkeys([*group.port_keys, *used]))


def ports(group: DistributedVirtualPortgroup) -> list[Any]:
    """All ports of a group, free ones included."""
    used = {str(adapter.backing.port.portKey): (m, adapter) for m, adapter in group.connections()}
    return [_one_port(group, key, *used.get(key, (None, None))) for key in port_keys(group)]


def _one_port(group: DistributedVirtualPortgroup, key: str, machine: Any, adapter: Any) -> Any:
    port = vim.dvs.DistributedVirtualPort(
        key=key,
        config=_port.ConfigInfo(name="", setting=full_setting(group), configVersion=str(group.version)),
        dvsUuid=group.switch.uuid,
        portgroupKey=group.moid,
        conflict=False,
        lastStatusChange=group.switch.created,
    )
    if machine is None:
        return port
    up = bool(adapter.connectable is None or adapter.connectable.connected)
    port.proxyHost = machine.host.ref if machine.host is not None else None
    port.connectionCookie = adapter.backing.port.connectionCookie
    port.connectee = vim.dvs.PortConnectee(
        connectedEntity=machine.ref,
        nicKey=str(adapter.key),
        type="vmVnic",
        addressHint=adapter.macAddress,
    )
    port.state = _port.State(
        runtimeInfo=_port.RuntimeInfo(
            linkUp=up,
            blocked=False,
            vlanIds=_vlan_ranges(group),
            trunkingMode=group.is_trunk,
            mtu=1500,
            linkPeer=f"{machine.name}.eth{adapter.key - 4000}",
            macAddress=adapter.macAddress,
            statusDetail="",
        ),
        stats=_no_traffic(),
    )
    return port


def _vlan_ranges(group: DistributedVirtualPortgroup) -> list[Any]:
    if dvs_vlan.is_trunk(group.setting):
        return list(group.setting.vlan.vlanId)
    return [vim.NumericRange(start=group.vlan, end=group.vlan)] if group.vlan else []


def _no_traffic() -> Any:
    numbers = {
        info.name: 0
        for info in vim.dvs.PortStatistics._GetPropertyList()
        if info.name not in ("dynamicType", "dynamicProperty")
    }
    return vim.dvs.PortStatistics(**numbers)


def matches(port: Any, criteria: Any) -> bool:
    """Whether a port meets DistributedVirtualSwitchPortCriteria (None: every port does)."""
    if criteria is None:
        return True
    if criteria.connected is not None and criteria.connected != (port.connectee is not None):
        return False
    if criteria.active is not None and criteria.active != (
        port.state is not None and port.state.runtimeInfo.linkUp
    ):
        return False
    if criteria.portgroupKey:
        inside = port.portgroupKey in criteria.portgroupKey
        if inside != (criteria.inside is not False):
            return False
    if criteria.portKey and port.key not in criteria.portKey:
        return False
    return not criteria.host or port.proxyHost in criteria.host
