"""VmwareDistributedVirtualSwitch, and how it comes into being."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any, Self

from viaduct_lab.vcenter.core import codec, faults
from viaduct_lab.vcenter.core.kinds import extend, kind, on_build
from viaduct_lab.vcenter.core.managed_entity import ManagedEntity
from viaduct_lab.vcenter.core.managed_object import ManagedObject, soap_method, task_method
from viaduct_lab.vcenter.core.types import Ref, vim
from viaduct_lab.vcenter.kinds.datacenter import Datacenter
from viaduct_lab.vcenter.kinds.dvs_portgroup import DistributedVirtualPortgroup
from viaduct_lab.vcenter.kinds.folder import Folder
from viaduct_lab.vcenter.kinds.host_system import HostSystem
from viaduct_lab.vcenter.kinds.network import checked_name
from viaduct_lab.vcenter.vm import dvs_view, dvs_vlan

if TYPE_CHECKING:
    from viaduct_lab.vcenter.core.center import VCenter
    from viaduct_lab.vcenter.core.context import Call
    from viaduct_lab.vcenter.core.tasks import TaskRun

_KEPT = ("description", "contact", "policy", "defaultPortConfig", "extensionKey", "maxPorts", "maxMtu")
_FIRST_PORT = 0


@kind
class VmwareDistributedVirtualSwitch(ManagedEntity):
    """A distributed switch. Its port groups are its siblings in the network folder.

    ``settings``: fields of its ConfigInfo that clients may set; ``hosts``: member moids.
    """

    vim_type = vim.dvs.VmwareDistributedVirtualSwitch
    moid_prefix = "dvs"

    def __init__(self, center: VCenter, moid: str, name: str, parent: str | None) -> None:
        super().__init__(center, moid, name, parent)
        digits = uuid.uuid4().hex
        pairs = [digits[i : i + 2] for i in range(0, 32, 2)]
        self.uuid = " ".join(pairs[:8]) + "-" + " ".join(pairs[8:])
        self.hosts: tuple[str, ...] = ()
        self.created = center.now()
        self.version = 1
        self.next_port = _FIRST_PORT
        self.settings: dict[str, Any] = {}
        self.uplink_moid: str | None = None

    @classmethod
    def create(cls, folder: ManagedEntity, name: str, hosts: tuple[str, ...]) -> Self:
        """A new switch with its uplink port group, in the registry."""
        center = folder.center
        switch = cls(center, center.registry.new_moid(cls.moid_prefix), name, folder.moid)
        switch.hosts = hosts
        center.registry.add(switch)
        uplink = DistributedVirtualPortgroup.create(
            switch, f"{name}-DVUplinks-{switch.moid.partition('-')[2]}", dvs_vlan.trunk(), uplink=True
        )
        switch.uplink_moid = uplink.moid
        return switch

    def new_ports(self, count: int) -> list[str]:
        """Keys for ``count`` new ports."""
        first = self.next_port
        self.next_port += count
        self.dirty()
        return [str(key) for key in range(first, first + count)]

    def portgroups(self) -> list[DistributedVirtualPortgroup]:
        """Its port groups, the uplinks' included."""
        every = self.center.registry.of_kind(DistributedVirtualPortgroup)
        return [group for group in every if group.switch_moid == self.moid]

    def groups_changed(self) -> None:
        """A port group has come, gone or been renamed."""
        self.notify("portgroup", "summary", "config")

    def host_refs(self) -> list[Ref]:
        """The member hosts."""
        found = (self.center.registry.get(moid) for moid in self.hosts)
        return [host.ref for host in found if host is not None]

    # properties -----------------------------------------------------------------------------

    def prop_uuid(self) -> str:
        return self.uuid

    def prop_capability(self) -> Any:
        return vim.DistributedVirtualSwitch.Capability(
            dvsOperationSupported=True,
            dvPortGroupOperationSupported=True,
            dvPortOperationSupported=True,
        )

    def prop_portgroup(self) -> list[Ref]:
        return [group.ref for group in self.portgroups()]

    def prop_summary(self) -> Any:
        return dvs_view.summary(self)

    def prop_config(self) -> Any:
        return dvs_view.config(self)

    def prop_runtime(self) -> Any:
        return vim.DistributedVirtualSwitch.RuntimeInfo()

    def renamed(self) -> None:
        self.changed("name", "summary", "config")

    # port groups ----------------------------------------------------------------------------

    @task_method("CreateDVPortgroup_Task", exclusive=True)
    async def create_portgroup(self, call: Call, args: Any, task: TaskRun) -> Ref:
        """Make one port group."""
        return self._add([args.spec])[0].ref

    @task_method("AddDVPortgroup_Task", exclusive=True)
    async def add_portgroups(self, call: Call, args: Any, task: TaskRun) -> None:
        """Make port groups: all or none."""
        self._add(args.spec)

    def _add(self, specs: list[Any]) -> list[DistributedVirtualPortgroup]:
        parent = self.parent
        if parent is None:
            raise faults.not_found(self.ref)
        names = []
        for spec in specs:
            if not spec.name:
                raise faults.invalid_argument("spec.name")
            names.append(checked_name(self.center, None, spec.name, parent))
            dvs_vlan.check(spec.defaultPortConfig)
            if spec.type not in (None, "earlyBinding", "lateBinding", "ephemeral"):
                raise faults.invalid_argument("spec.type")
        if len(set(names)) < len(names):
            raise faults.invalid_argument("spec.name", "Two new port groups have the same name.")
        made = []
        for name, spec in zip(names, specs, strict=True):
            group = DistributedVirtualPortgroup.create(self, name, spec.defaultPortConfig, spec)
            made.append(group)
            self.center.events.post(
                vim.event.DVPortgroupCreatedEvent, group, f"dvPort group {name} was created."
            )
        self.groups_changed()
        return made

    @soap_method("LookupDvPortGroup")
    def lookup(self, call: Call, args: Any) -> Ref:
        """The port group with a key."""
        for group in self.portgroups():
            if group.moid == args.portgroupKey:
                return group.ref
        raise vim.fault.NotFound(msg=f"No port group has the key {args.portgroupKey}.")

    # ports ----------------------------------------------------------------------------------

    @soap_method("FetchDVPorts")
    def fetch_ports(self, call: Call, args: Any) -> list[Any]:
        """The ports that match the criteria."""
        ports = [port for group in self.portgroups() for port in group.ports()]
        return [port for port in ports if dvs_view.matches(port, args.criteria)]

    @soap_method("FetchDVPortKeys")
    def fetch_port_keys(self, call: Call, args: Any) -> list[str]:
        """The keys of the ports that match the criteria."""
        return [port.key for port in self.fetch_ports(call, args)]

    @soap_method("QueryUsedVlanIdInDvs")
    def used_vlans(self, call: Call, args: Any) -> list[int]:
        """The access VLANs of all port groups."""
        return sorted({g.vlan for g in self.portgroups() if g.vlan and not g.is_trunk})

    @soap_method("RefreshDVPortState")
    def refresh_ports(self, call: Call, args: Any) -> None:
        """Nothing to do: port states are always up to date."""

    # the switch itself ----------------------------------------------------------------------

    @task_method("ReconfigureDvs_Task", exclusive=True)
    async def reconfigure(self, call: Call, args: Any, task: TaskRun) -> None:
        """Change name, description, policies and member hosts."""
        spec = args.spec
        if spec.configVersion is not None and spec.configVersion != str(self.version):
            raise vim.fault.ConcurrentAccess(msg="The switch has been changed meanwhile.")
        if spec.name:
            self.rename(spec.name)
        for name in _KEPT:
            value = getattr(spec, name, None)
            if value is not None:
                self.settings[name] = value
        self._members(spec.host)
        self.version += 1
        self.changed()

    def _members(self, changes: list[Any]) -> None:
        hosts = dict.fromkeys(self.hosts)
        for change in changes:
            host = self.center.registry.find(change.host, HostSystem)
            if change.operation == "add":
                hosts[host.moid] = None
            elif change.operation == "remove":
                hosts.pop(host.moid, None)
        if tuple(hosts) != self.hosts:
            self.hosts = tuple(hosts)
            for group in self.portgroups():
                group.offer(self.hosts)

    @task_method("Destroy_Task", exclusive=True)
    async def destroy(self, call: Call, args: Any, task: TaskRun) -> None:
        """Remove the switch with its port groups, unless machines are connected."""
        for group in self.portgroups():
            group.require_unused()
        for group in self.portgroups():
            self.center.registry.remove(group)
        self.center.registry.remove(self)

    # persistence ----------------------------------------------------------------------------

    def save(self) -> dict[str, Any]:
        return {
            **self.entity_state(),
            "uuid": self.uuid,
            "hosts": list(self.hosts),
            "created": self.created.isoformat(),
            "version": self.version,
            "next_port": self.next_port,
            "uplink": self.uplink_moid,
            "settings": {name: codec.dump(value) for name, value in self.settings.items()},
        }

    @classmethod
    def load(cls, center: VCenter, moid: str, state: dict[str, Any]) -> Self:
        switch = cls(center, moid, state["name"], state["parent"])
        switch.restore_entity(state)
        switch.uuid, switch.hosts = state["uuid"], tuple(state["hosts"])
        switch.created = type(switch.created).fromisoformat(state["created"])
        switch.version, switch.next_port = state["version"], state["next_port"]
        switch.uplink_moid = state["uplink"]
        switch.settings = {name: codec.load(text) for name, text in state["settings"].items()}
        return switch


@extend("Folder", "CreateDVS_Task", task=True)
async def create_switch(folder: Folder, call: Call, args: Any, task: TaskRun) -> Ref:
    """Make a distributed switch in a network folder."""
    if folder.content != "network":
        raise faults.not_supported("A switch can only be created in a network folder.")
    spec = args.spec.configSpec
    if spec is None or not spec.name:
        raise faults.invalid_argument("spec.configSpec.name")
    name = folder.center.naming.checked(None, spec.name, parent=folder)
    hosts = [folder.center.registry.find(h.host, HostSystem).moid for h in spec.host]
    switch = VmwareDistributedVirtualSwitch.create(folder, name, tuple(dict.fromkeys(hosts)))
    for field in _KEPT:
        value = getattr(spec, field, None)
        if value is not None:
            switch.settings[field] = value
    folder.center.events.post(
        vim.event.DvsCreatedEvent,
        switch,
        f"A vSphere Distributed Switch {name} was created.",
        parent=vim.event.FolderEventArgument(name=folder.name, folder=folder.ref),
    )
    return switch.ref


@kind
class DistributedVirtualSwitchManager(ManagedObject):
    """``dvSwitchManager``: finding switches."""

    vim_type = vim.dvs.DistributedVirtualSwitchManager

    @soap_method("QueryDvsByUuid")
    def by_uuid(self, call: Call, args: Any) -> Ref | None:
        """The switch with a uuid, if there is one."""
        for switch in self.center.registry.of_kind(VmwareDistributedVirtualSwitch):
            if switch.uuid == args.uuid:
                return switch.ref
        return None

    @soap_method("DVSManagerLookupDvPortGroup")
    def lookup(self, call: Call, args: Any) -> Ref | None:
        """The port group with a key on the switch with a uuid, if there is one."""
        for switch in self.center.registry.of_kind(VmwareDistributedVirtualSwitch):
            for group in switch.portgroups() if switch.uuid == args.switchUuid else ():
                if group.moid == args.portgroupKey:
                    return group.ref
        return None

    @soap_method("QueryAvailableDvsSpec")
    def available(self, call: Call, args: Any) -> list[Any]:
        """The product specifications that a new switch may have: one."""
        return [dvs_view.product()]


@on_build(40)
def build(center: VCenter) -> None:
    """The switch of the first inventory, with all hosts and the port groups of the layout."""
    layout = center.config.inventory
    folder = center.registry.of_kind(Datacenter)[0].folder("network")
    hosts = tuple(host.moid for host in center.registry.of_kind(HostSystem))
    switch = VmwareDistributedVirtualSwitch.create(folder, layout.switch, hosts)
    for group in layout.port_groups:
        setting = dvs_vlan.trunk() if group.trunk else dvs_vlan.access(group.vlan)
        DistributedVirtualPortgroup.create(switch, group.name, setting)
