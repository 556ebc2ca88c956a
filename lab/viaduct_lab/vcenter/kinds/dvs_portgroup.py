"""DistributedVirtualPortgroup: a VLAN, or a trunk of VLANs, on a distributed switch."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

from viaduct_lab.vcenter.core import codec, faults
from viaduct_lab.vcenter.core.kinds import kind
from viaduct_lab.vcenter.core.managed_object import task_method
from viaduct_lab.vcenter.core.types import vim
from viaduct_lab.vcenter.kinds.network import Network, checked_name
from viaduct_lab.vcenter.vm import dvs_view, dvs_vlan, guest_links, layout
from viaduct_lab.vcenter.vm.merging import merge

if TYPE_CHECKING:
    from viaduct_lab.vcenter.core.center import VCenter
    from viaduct_lab.vcenter.core.context import Call
    from viaduct_lab.vcenter.core.tasks import TaskRun
    from viaduct_lab.vcenter.kinds.distributed_virtual_switch import VmwareDistributedVirtualSwitch

_DEFAULT_PORTS = 8
_KEPT = ("description", "policy", "portNameFormat", "scope", "vendorSpecificConfig", "autoExpand")
Card = vim.vm.device.VirtualEthernetCard


@kind
class DistributedVirtualPortgroup(Network):
    """A distributed port group; its key is its moid.

    ``setting``: what clients set of the default port configuration; ``port_keys``: the static ports
    (none for an ephemeral port group).
    """

    vim_type = vim.dvs.DistributedVirtualPortgroup
    moid_prefix = "dvportgroup"

    def __init__(self, center: VCenter, moid: str, name: str, parent: str | None, switch_moid: str) -> None:
        super().__init__(center, moid, name, parent)
        self.switch_moid = switch_moid
        self.setting: Any = dvs_vlan.access(0)
        self.binding = "earlyBinding"
        self.port_keys: list[str] = []
        self.version = 0
        self.is_uplink = False
        self.settings: dict[str, Any] = {}

    @classmethod
    def create(
        cls,
        switch: VmwareDistributedVirtualSwitch,
        name: str,
        setting: Any,
        spec: Any = None,
        *,
        uplink: bool = False,
    ) -> Self:
        """A new port group of ``switch``, in the registry."""
        center = switch.center
        moid = center.registry.new_moid(cls.moid_prefix)
        group = cls(center, moid, name, switch.parent_moid, switch.moid)
        group.is_uplink = uplink
        if setting is not None:
            group.setting = merge(group.setting, setting)
        ports = _DEFAULT_PORTS
        if spec is not None:
            group.binding = spec.type or group.binding
            ports = spec.numPorts if spec.numPorts is not None else ports
            group._take(spec)
        if group.binding != "ephemeral":
            group.port_keys = switch.new_ports(ports)
        center.registry.add(group)
        group.offer(switch.hosts)
        switch.groups_changed()
        return group

    @property
    def switch(self) -> VmwareDistributedVirtualSwitch:
        """The switch that it belongs to."""
        found: Any = self.center.registry.get(self.switch_moid)
        return found

    @property
    def vlan(self) -> int:
        """The access VLAN; 0: untagged, or a trunk."""
        return dvs_vlan.access_vlan(self.setting)

    @property
    def is_trunk(self) -> bool:
        """Whether it carries many VLANs."""
        return dvs_vlan.is_trunk(self.setting)

    @property
    def auto_expand(self) -> bool:
        """Whether ports are added when all are taken."""
        return bool(self.settings.get("autoExpand", True))

    # ports ----------------------------------------------------------------------------------

    def connections(self) -> list[tuple[Any, Any]]:
        """The adapters that are connected: (machine, adapter)."""
        found = []
        for machine in self.sources("vm.network"):
            devices: list[Any] = machine.state.devices  # type: ignore[attr-defined]
            for adapter in layout.adapters(devices):
                port = getattr(adapter.backing, "port", None)
                if port is not None and port.portgroupKey == self.moid:
                    found.append((machine, adapter))
        return found

    def connect(self, port: Any, owner: str, taken: set[str]) -> None:
        """Give an adapter of the machine ``owner`` a port; completes ``port`` (a PortConnection).

        ``taken``: ports given to its other adapters just now. Raises a fault when there is none.
        """
        if port.switchUuid != self.switch.uuid:
            raise faults.invalid_argument("port.switchUuid", "The port group is on another switch.")
        others = {
            adapter.backing.port.portKey for machine, adapter in self.connections() if machine.moid != owner
        } | {key for key in taken if key.startswith(f"{self.moid}:")}
        used = {key.rpartition(":")[2] if key else key for key in others}
        if port.portKey and port.portKey in used:
            raise vim.fault.ResourceInUse(
                type=vim.dvs.DistributedVirtualPort,
                name=port.portKey,
                msg=f"Port {port.portKey} of '{self.name}' is in use.",
            )
        if not port.portKey or (port.portKey not in self.port_keys and self.port_keys):
            port.portKey = self._free_port(used)
        if port.connectionCookie is None:
            port.connectionCookie = self.center.store.next_number()
        taken.add(f"{self.moid}:{port.portKey}")

    def _free_port(self, used: set[str]) -> str:
        if self.binding == "ephemeral":
            return self.switch.new_ports(1)[0]
        free = next((key for key in self.port_keys if key not in used), None)
        if free is None:
            if not self.auto_expand:
                raise vim.fault.LimitExceeded(
                    property="numPorts",
                    limit=len(self.port_keys),
                    msg=f"All ports of '{self.name}' are taken.",
                )
            self.port_keys += self.switch.new_ports(_DEFAULT_PORTS)
            self.changed("config", "portKeys")
            free = next(key for key in self.port_keys if key not in used)
        return free

    def ports(self) -> list[Any]:
        """DistributedVirtualPort of every port, taken or free."""
        return dvs_view.ports(self)

    # properties -----------------------------------------------------------------------------

    def prop_key(self) -> str:
        return self.moid

    def prop_portKeys(self) -> list[str]:
        return dvs_view.port_keys(self)

    def prop_config(self) -> Any:
        return dvs_view.portgroup_config(self)

    def related(self, relation: str) -> None:
        super().related(relation)
        if relation == "vm.network":
            self.notify("portKeys")
            self.switch.notify("summary")

    def rename(self, name: str) -> None:
        """Rename; the name must be unique in the datacenter."""
        parent = self.parent
        if parent is not None:
            checked_name(self.center, self, name, parent)
        super().rename(name)

    def renamed(self) -> None:
        self.changed("name", "summary", "config")
        self.switch.groups_changed()

    # methods --------------------------------------------------------------------------------

    @task_method("ReconfigureDVPortgroup_Task", exclusive=True)
    async def reconfigure(self, call: Call, args: Any, task: TaskRun) -> None:
        """Change name, VLAN, ports and so on; running guests are moved to the new VLAN."""
        spec = args.spec
        if spec.configVersion is None:
            raise faults.invalid_argument("spec.configVersion")
        if spec.configVersion != str(self.version):
            raise vim.fault.ConcurrentAccess(msg="The port group has been changed meanwhile.")
        dvs_vlan.check(spec.defaultPortConfig)
        if spec.type and spec.type != self.binding:
            raise faults.not_supported("The binding of a port group cannot be changed.")
        if spec.name:
            self.rename(spec.name)
        if spec.defaultPortConfig is not None:
            self.setting = merge(self.setting, spec.defaultPortConfig)
        if spec.numPorts is not None and self.binding != "ephemeral":
            self._resize(spec.numPorts)
        self._take(spec)
        self.version += 1
        self.changed()
        for machine in {id(m): m for m, _ in self.connections()}.values():
            await guest_links.reconnect(machine)

    def _take(self, spec: Any) -> None:
        for name in _KEPT:
            value = getattr(spec, name)
            if value is not None and value != []:
                self.settings[name] = value

    def _resize(self, count: int) -> None:
        used = {adapter.backing.port.portKey for _, adapter in self.connections()}
        if count < len(used):
            raise vim.fault.ResourceInUse(
                type=vim.dvs.DistributedVirtualPort, name=self.name, msg="More ports are in use."
            )
        if count > len(self.port_keys):
            self.port_keys += self.switch.new_ports(count - len(self.port_keys))
        free = [key for key in self.port_keys if key not in used]
        for key in free[: max(0, len(self.port_keys) - count)]:
            self.port_keys.remove(key)

    @task_method("Destroy_Task", exclusive=True)
    async def destroy(self, call: Call, args: Any, task: TaskRun) -> None:
        """Remove it, unless machines are connected."""
        if self.is_uplink:
            raise faults.not_supported("The uplink port group goes with its switch only.")
        self.require_unused()
        switch = self.switch
        self.center.events.post(
            vim.event.DVPortgroupDestroyedEvent, self, f"dvPort group {self.name} was deleted."
        )
        self.center.registry.remove(self)
        switch.groups_changed()

    # persistence ----------------------------------------------------------------------------

    def save(self) -> dict[str, Any]:
        return {
            **super().save(),
            "switch": self.switch_moid,
            "setting": codec.dump(self.setting),
            "binding": self.binding,
            "ports": self.port_keys,
            "version": self.version,
            "uplink": self.is_uplink,
            "settings": {name: codec.dump(value) for name, value in self.settings.items()},
        }

    @classmethod
    def load(cls, center: VCenter, moid: str, state: dict[str, Any]) -> Self:
        group = cls(center, moid, state["name"], state["parent"], state["switch"])
        group.restore_entity(state)
        group.hosts = tuple(state["hosts"])
        group.setting = codec.load(state["setting"])
        group.binding, group.version = state["binding"], state["version"]
        group.port_keys = list(state["ports"])
        group.is_uplink = state["uplink"]
        group.settings = {name: codec.load(text) for name, text in state["settings"].items()}
        return group
