"""From inventory objects to the pure placement, and back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from viaduct_lab.vcenter.core.managed_entity import ManagedEntity
from viaduct_lab.vcenter.core.types import vim
from viaduct_lab.vcenter.kinds.host_system import HostSystem
from viaduct_lab.vcenter.kinds.resource_pool import ResourcePool
from viaduct_lab.vcenter.vm.placement import Candidate, NoHost, Rules, choose

if TYPE_CHECKING:
    from viaduct_lab.vcenter.core.center import VCenter
    from viaduct_lab.vcenter.kinds.virtual_machine import VirtualMachine


def root_pool(host: HostSystem | None) -> ResourcePool | None:
    """The root pool of the cluster that a host is in."""
    owner = host.parent if host is not None else None
    for child in owner.children() if owner is not None else ():
        if isinstance(child, ResourcePool):
            return child
    return None


def hosts_of(owner: ManagedEntity) -> list[HostSystem]:
    """The hosts of a compute resource."""
    return [child for child in owner.children() if isinstance(child, HostSystem)]


def place(
    center: VCenter,
    owner: ManagedEntity,
    datastores: frozenset[str],
    machine: VirtualMachine | None = None,
    leaving: HostSystem | None = None,
) -> HostSystem:
    """A host of the compute resource ``owner`` for a machine (None: a new one).

    ``datastores``: moids that it must mount; ``leaving``: a host that will not do.
    Raises ``NoCompatibleHost``.
    """
    candidates = [_candidate(host, machine) for host in hosts_of(owner) if host is not leaving]
    rules = _rules(owner, machine)
    try:
        chosen = choose(candidates, datastores, rules, machine.host_moid if machine else None)
    except NoHost as error:
        raise vim.fault.NoCompatibleHost(msg=str(error)) from error
    return center.registry.find(vim.HostSystem(chosen), HostSystem)


def require_mounts(host: HostSystem, datastores: frozenset[str]) -> None:
    """Raise a fault unless ``host`` can run machines and mounts all ``datastores``."""
    if not host.usable:
        raise vim.fault.InvalidHostState(
            host=host.ref, msg=f"Host {host.name} is disconnected or in maintenance mode."
        )
    mounted = {store.moid for store in host.sources("datastore.host")}
    if not datastores <= mounted:
        raise vim.fault.InaccessibleDatastore(
            datastore=vim.Datastore(next(iter(datastores - mounted))),
            name=host.name,
            msg=f"Host {host.name} does not mount all datastores that the virtual machine uses.",
        )


def _candidate(host: HostSystem, machine: VirtualMachine | None) -> Candidate:
    running = [vm for vm in host.running_vms() if vm is not machine]
    return Candidate(
        host=host.moid,
        usable=host.usable,
        datastores=frozenset(store.moid for store in host.sources("datastore.host")),
        # Machines that are off count a little, so that many new ones spread, too.
        load=sum(int(getattr(vm, "memory_mb", 0)) for vm in running) * 16 + len(host.vms()),
        vms=frozenset(vm.moid for vm in running),
    )


def _rules(owner: ManagedEntity, machine: VirtualMachine | None) -> Rules:
    config: Any = owner.read("configurationEx")
    if machine is None or config is None:
        return Rules()
    me = machine.moid
    together: set[str] = set()
    apart: set[str] = set()
    only: set[str] | None = None
    never: set[str] = set()
    preferred: set[str] = set()
    avoided: set[str] = set()
    groups = {group.name: group for group in getattr(config, "group", None) or ()}
    for rule in getattr(config, "rule", None) or ():
        if rule.enabled is False:
            continue
        members = {ref._moId for ref in getattr(rule, "vm", None) or ()}
        if isinstance(rule, vim.cluster.AffinityRuleSpec) and me in members:
            together |= members - {me}
        elif isinstance(rule, vim.cluster.AntiAffinityRuleSpec) and me in members:
            apart |= members - {me}
        elif isinstance(rule, vim.cluster.VmHostRuleInfo):
            group = groups.get(rule.vmGroupName)
            if group is None or me not in {ref._moId for ref in group.vm}:
                continue
            likes, hates = (
                {ref._moId for ref in groups[name].host} if name in groups else None
                for name in (rule.affineHostGroupName, rule.antiAffineHostGroupName)
            )
            if likes is not None and rule.mandatory:
                only = likes if only is None else only & likes
            elif likes is not None:
                preferred |= likes
            if hates is not None:
                (never if rule.mandatory else avoided).update(hates)
    return Rules(
        frozenset(together),
        frozenset(apart),
        frozenset(only) if only is not None else None,
        frozenset(never),
        frozenset(preferred),
        frozenset(avoided),
    )
