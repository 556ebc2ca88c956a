"""The port groups of one distributed switch: list, create, change, remove. All idempotent."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from pyVmomi import vim, vmodl

from viaduct_drivers.neutron.config import DvsOptions
from viaduct_drivers.neutron.errors import InventoryNotFound, NameTaken, PortGroupInUse
from viaduct_drivers.neutron.portgroup import FoundPortGroup, WantedPortGroup, read_mark
from viaduct_drivers.neutron.repair import changes
from viaduct_drivers.neutron.vcenter import Access, Session, VCenter, as_dvs_error, wait_for_task

_PROPERTIES: Final = ["name", "key", "config.description", "config.defaultPortConfig", "vm"]


class DistributedSwitch:
    """Client of one switch. Safe for threads; every method may raise a DvsError."""

    def __init__(self, options: DvsOptions, vcenter: VCenter | None = None) -> None:
        self._options = options
        self._vcenter = vcenter or VCenter(
            Access(
                host=options.host_ip,
                port=options.host_port,
                username=options.host_username,
                password=options.host_password,
                ca_file=options.ca_file,
                insecure=options.insecure,
                timeout=options.connection_timeout,
            )
        )
        # network id -> managed object id; a hint that is verified before use.
        self._known: dict[str, str] = {}

    def uuid(self) -> str:
        """The switch's UUID, Nova's `dvs_id`."""
        return str(self._call(lambda session: _switch(session, self._options)[1]))

    def port_groups(self) -> list[FoundPortGroup]:
        """All port groups of the switch, uplinks too (they carry no mark of ours)."""

        def operation(session: Session) -> list[FoundPortGroup]:
            switch, _uuid = _switch(session, self._options)
            return [_found(item) for item in _retrieve_port_groups(session, switch)]

        groups: list[FoundPortGroup] = self._call(operation)
        self._known = {g.mark.network_id: g.moid for g in groups if g.mark and self._is_ours(g)}
        return groups

    def find(self, network_id: str) -> FoundPortGroup | None:
        """The port group of a network; one small request when we have seen it before."""
        moid = self._known.get(network_id)
        if moid is not None:
            group = self._call(lambda session: _retrieve_one(session, moid))
            if group is not None and self._carries(group, network_id):
                return group
        return next((group for group in self.port_groups() if self._carries(group, network_id)), None)

    def create(self, wanted: WantedPortGroup) -> FoundPortGroup:
        """Make the port group of a new network: one task, and no look first.

        If the name is taken, by our own from a request that was cut off or by a stranger's, this is `ensure`.
        """
        return self._create(wanted) or self.ensure(wanted)

    def ensure(self, wanted: WantedPortGroup) -> FoundPortGroup:
        """Make the network's port group, or make the existing one as wanted, and return it.

        Raises NameTaken if a port group that is not ours has the name.
        """
        group = self.find(wanted.network_id)
        if group is None:
            group = self._create(wanted) or self.find(wanted.network_id)
        if group is None:
            raise NameTaken(
                f"a port group named {wanted.name} exists on switch {self._options.switch} and is not ours"
            )
        if changes(group, wanted):
            self.update(group, wanted)
            return self.find(wanted.network_id) or group
        return group

    def update(self, found: FoundPortGroup, wanted: WantedPortGroup) -> None:
        """Change a port group in place to what is wanted."""

        def operation(session: Session) -> None:
            group = _reference(session, found.moid)
            spec = _spec(wanted)
            # Guards against somebody else's change between reading and writing.
            spec.configVersion = group.config.configVersion
            self._wait(group.ReconfigureDVPortgroup_Task(spec))

        self._call(operation)

    def delete(self, found: FoundPortGroup) -> None:
        """Remove a port group; its absence is fine. Raises PortGroupInUse."""

        def operation(session: Session) -> None:
            try:
                self._wait(_reference(session, found.moid).Destroy_Task())
            except vmodl.fault.ManagedObjectNotFound:
                return
            except vim.fault.ResourceInUse as error:
                raise PortGroupInUse(f"port group {found.name} is in use by virtual machines") from error

        self._call(operation)
        if found.mark is not None and self._known.get(found.mark.network_id) == found.moid:
            self._known.pop(found.mark.network_id, None)

    def close(self) -> None:
        """Log out of vCenter."""
        self._vcenter.close()

    def _create(self, wanted: WantedPortGroup) -> FoundPortGroup | None:
        """Create; None if the name is taken already (perhaps by our own, from a request that was cut off)."""

        def operation(session: Session) -> FoundPortGroup | None:
            switch, _uuid = _switch(session, self._options)
            spec = _spec(wanted)
            spec.type = vim.dvs.DistributedVirtualPortgroup.PortgroupType.earlyBinding
            spec.numPorts = self._options.num_ports
            spec.autoExpand = True
            try:
                created = self._wait(switch.CreateDVPortgroup_Task(spec))
            except vim.fault.DuplicateName:
                return None
            return _retrieve_one(session, created._moId)

        group: FoundPortGroup | None = self._call(operation)
        if group is not None:
            self._known[wanted.network_id] = group.moid
        return group

    def _wait(self, task: Any) -> Any:
        options = self._options
        return wait_for_task(task, timeout=options.task_timeout, interval=options.task_poll_interval)

    def _call(self, operation: Any) -> Any:
        try:
            return self._vcenter.run(operation)
        except (vmodl.MethodFault, vmodl.RuntimeFault) as error:
            raise as_dvs_error(error) from error

    def _is_ours(self, group: FoundPortGroup) -> bool:
        return group.mark is not None and group.mark.cloud == self._options.cloud

    def _carries(self, group: FoundPortGroup, network_id: str) -> bool:
        return self._is_ours(group) and group.mark is not None and group.mark.network_id == network_id


def _switch(session: Session, options: DvsOptions) -> tuple[Any, str]:
    """Find the switch by datacenter and name; looked up once a session."""
    if "switch" not in session.cache:
        content = session.content
        datacenter = content.searchIndex.FindByInventoryPath(options.datacenter.strip("/"))
        if not isinstance(datacenter, vim.Datacenter):
            raise InventoryNotFound(f"datacenter {options.datacenter} does not exist in vCenter")
        kind = vim.DistributedVirtualSwitch
        view = content.viewManager.CreateContainerView(datacenter.networkFolder, [kind], True)
        try:
            walk = vmodl.query.PropertyCollector.TraversalSpec(
                type=vim.view.ContainerView, path="view", skip=False
            )
            start = vmodl.query.PropertyCollector.ObjectSpec(obj=view, skip=True, selectSet=[walk])
            switches = {item["name"]: item for item in _collect(session, kind, ["name", "uuid"], [start])}
        finally:
            view.DestroyView()
        if options.switch not in switches:
            there = ", ".join(sorted(switches)) or "none"
            raise InventoryNotFound(
                f"distributed switch {options.switch} does not exist in datacenter {options.datacenter} "
                f"(there: {there})"
            )
        chosen = switches[options.switch]
        session.cache["switch"] = (chosen["obj"], chosen["uuid"])
    found: tuple[Any, str] = session.cache["switch"]
    return found


def _retrieve_port_groups(session: Session, switch: Any) -> list[dict[str, Any]]:
    walk = vmodl.query.PropertyCollector.TraversalSpec(
        type=vim.DistributedVirtualSwitch, path="portgroup", skip=False
    )
    start = vmodl.query.PropertyCollector.ObjectSpec(obj=switch, skip=True, selectSet=[walk])
    return list(_collect(session, vim.dvs.DistributedVirtualPortgroup, _PROPERTIES, [start]))


def _retrieve_one(session: Session, moid: str) -> FoundPortGroup | None:
    start = vmodl.query.PropertyCollector.ObjectSpec(obj=_reference(session, moid), skip=False)
    try:
        items = list(_collect(session, vim.dvs.DistributedVirtualPortgroup, _PROPERTIES, [start]))
    except vmodl.fault.ManagedObjectNotFound:
        return None
    return _found(items[0]) if items else None


def _collect(session: Session, kind: type, paths: list[str], starts: list[Any]) -> Iterator[dict[str, Any]]:
    """Read properties of many objects, page by page."""
    collector = session.content.propertyCollector
    filters = vmodl.query.PropertyCollector.FilterSpec(
        objectSet=starts,
        propSet=[vmodl.query.PropertyCollector.PropertySpec(type=kind, pathSet=paths, all=False)],
    )
    page = collector.RetrievePropertiesEx([filters], vmodl.query.PropertyCollector.RetrieveOptions())
    while page is not None:
        for content in page.objects:
            yield {"obj": content.obj, **{prop.name: prop.val for prop in content.propSet}}
        page = collector.ContinueRetrievePropertiesEx(page.token) if page.token else None


def _reference(session: Session, moid: str) -> Any:
    return vim.dvs.DistributedVirtualPortgroup(moid, session.instance._stub)


def _found(item: dict[str, Any]) -> FoundPortGroup:
    ports = item.get("config.defaultPortConfig")
    description = item.get("config.description") or ""
    vlan = getattr(ports, "vlan", None)
    plain = isinstance(vlan, vim.dvs.VmwareDistributedVirtualSwitch.VlanIdSpec)
    security = getattr(ports, "securityPolicy", None)
    loose = [getattr(security, rule, None) for rule in ("allowPromiscuous", "forgedTransmits", "macChanges")]
    return FoundPortGroup(
        moid=item["obj"]._moId,
        key=item["key"],
        name=item["name"],
        description=description,
        vlan=vlan.vlanId if plain and vlan is not None else None,
        port_security=not any(_is_true(policy) for policy in loose),
        blocked=_is_true(getattr(ports, "blocked", None)),
        in_use=bool(item.get("vm")),
        mark=read_mark(description),
    )


def _is_true(policy: Any) -> bool:
    return bool(policy is not None and policy.value)


def _spec(wanted: WantedPortGroup) -> Any:
    """The configuration that a port group shall have, for creating and for changing."""

    def rule(value: bool) -> Any:
        return vim.BoolPolicy(inherited=False, value=value)

    kinds = vim.dvs.VmwareDistributedVirtualSwitch
    return vim.dvs.DistributedVirtualPortgroup.ConfigSpec(
        name=wanted.name,
        description=wanted.description,
        defaultPortConfig=kinds.VmwarePortConfigPolicy(
            vlan=kinds.VlanIdSpec(inherited=False, vlanId=wanted.vlan),
            blocked=rule(wanted.blocked),
            securityPolicy=kinds.SecurityPolicy(
                inherited=False,
                allowPromiscuous=rule(not wanted.port_security),
                forgedTransmits=rule(not wanted.port_security),
                macChanges=rule(not wanted.port_security),
            ),
        ),
    )
