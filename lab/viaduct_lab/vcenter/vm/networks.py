"""To which networks adapters are connected."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from viaduct_lab.guests.runtime import GuestNic
from viaduct_lab.vcenter.core.managed_entity import ManagedEntity
from viaduct_lab.vcenter.core.types import vim
from viaduct_lab.vcenter.vm import layout
from viaduct_lab.vcenter.vm.layout import Device

if TYPE_CHECKING:
    from viaduct_lab.vcenter.core.center import VCenter

_card = vim.vm.device.VirtualEthernetCard


def network_of(center: VCenter, adapter: Device) -> ManagedEntity | None:
    """The network or port group behind an adapter; None if there is none (any more)."""
    backing = adapter.backing
    if isinstance(backing, _card.DistributedVirtualPortBackingInfo):
        found = center.registry.get(backing.port.portgroupKey or "") if backing.port else None
        return found if isinstance(found, ManagedEntity) else None
    if isinstance(backing, _card.NetworkBackingInfo):
        return named(center, backing)
    return None


def named(center: VCenter, backing: Any) -> ManagedEntity | None:
    """The network that a NetworkBackingInfo means, by reference or by name."""
    from viaduct_lab.vcenter.kinds.network import Network

    if backing.network is not None:
        found = center.registry.get(backing.network._moId)
        return found if isinstance(found, ManagedEntity) else None
    plain = (n for n in center.registry.of_kind(Network) if n.name == backing.deviceName)
    return next(plain, None)


def connected(center: VCenter, devices: Sequence[Device]) -> list[ManagedEntity]:
    """The networks of all adapters, each once, in device order."""
    found = [network_of(center, adapter) for adapter in layout.adapters(devices)]
    return list(dict.fromkeys(network for network in found if network is not None))


def names(center: VCenter, devices: Sequence[Device]) -> dict[int, str]:
    """Adapter key -> the name of its network."""
    pairs = [(a.key, network_of(center, a)) for a in layout.adapters(devices)]
    return {key: network.name for key, network in pairs if network is not None}


def guest_nics(center: VCenter, devices: Sequence[Device], *, starting: bool = False) -> tuple[GuestNic, ...]:
    """The adapters as the fabric has to connect them; ``starting``: as they will be at power on."""
    from viaduct_lab.vcenter.kinds.dvs_portgroup import DistributedVirtualPortgroup

    nics = []
    for index, adapter in enumerate(layout.adapters(devices)):
        network = network_of(center, adapter)
        link = adapter.connectable
        up = link is None or bool(link.startConnected if starting else link.connected)
        switch, vlan, trunk = "", 0, False
        if isinstance(network, DistributedVirtualPortgroup):
            switch, vlan, trunk = network.switch.name, network.vlan, network.is_trunk
        nics.append(GuestNic(index, adapter.macAddress, switch, vlan, trunk, up and bool(switch)))
    return tuple(nics)


def check(center: VCenter, devices: Sequence[Device]) -> None:
    """Raise ``InvalidDeviceBacking`` for an adapter whose network does not exist."""
    for adapter in layout.adapters(devices):
        network = network_of(center, adapter)
        if isinstance(adapter.backing, _card.DistributedVirtualPortBackingInfo):
            if not _is_group(network):
                raise _no_network(adapter, "distributed port group")
        elif isinstance(adapter.backing, _card.NetworkBackingInfo) and network is None:
            raise _no_network(adapter, "network")


def bind(center: VCenter, owner: str, devices: Sequence[Device]) -> None:
    """Complete the backings of adapters: give out distributed ports, fill in names.

    ``owner`` is the machine's moid. The ports are taken once the machine is in the inventory with these
    devices, so nothing may be awaited in between. An adapter whose network has gone is left alone.
    """
    taken: set[str] = set()
    for adapter in layout.adapters(devices):
        backing, network = adapter.backing, network_of(center, adapter)
        if network is None:
            continue
        if isinstance(backing, _card.DistributedVirtualPortBackingInfo) and _is_group(network):
            network.connect(backing.port, owner, taken)  # type: ignore[attr-defined]
        elif isinstance(backing, _card.NetworkBackingInfo):
            backing.network, backing.deviceName = network.ref, network.name
            backing.useAutoDetect = False
        if adapter.deviceInfo is not None:
            adapter.deviceInfo.summary = layout.summary(adapter)


def release(devices: Sequence[Device]) -> None:
    """Forget the ports of adapters that come back from the past: others may have them now."""
    for adapter in layout.adapters(devices):
        port = getattr(adapter.backing, "port", None)
        if port is not None:
            port.portKey = port.connectionCookie = None


def _is_group(network: ManagedEntity | None) -> bool:
    return network is not None and issubclass(network.vim_type, vim.dvs.DistributedVirtualPortgroup)


def _no_network(adapter: Device, what: str) -> Exception:
    backing = adapter.backing
    port = getattr(backing, "port", None)
    name = port.portgroupKey if port is not None else getattr(backing, "deviceName", "")
    fault: Exception = vim.fault.InvalidDeviceBacking(
        deviceIndex=0,
        property="deviceChange.device.backing",
        msg=f"The {what} '{name}' of '{adapter.deviceInfo.label}' does not exist here.",
    )
    return fault
