"""The event log."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from viaduct_lab.vcenter.core import codec
from viaduct_lab.vcenter.core.context import current_user
from viaduct_lab.vcenter.core.managed_entity import ManagedEntity
from viaduct_lab.vcenter.core.managed_object import ManagedObject
from viaduct_lab.vcenter.core.types import VimType, vim

if TYPE_CHECKING:
    from viaduct_lab.vcenter.core.center import VCenter

KEEP_EVENTS = 5000
_PRUNE_EVERY = 200


class EventLog:
    """Posts events, keeps the newest and tells the history collectors."""

    def __init__(self, center: VCenter) -> None:
        self._center = center
        self._events: deque[Any] = deque(maxlen=KEEP_EVENTS)
        self._unread: list[str] = []
        self._posted = 0
        self.listeners: set[Callable[[Any], None]] = set()

    def restore(self) -> None:
        """Take over the events of the database. They are parsed when somebody asks for them."""
        self._unread = [body for _, body in self._center.store.events()]

    def _read(self) -> deque[Any]:
        if self._unread:
            old, self._unread = self._unread, []
            room = KEEP_EVENTS - len(self._events)
            self._events.extendleft(codec.load(body) for body in reversed(old[-room:] if room else []))
        return self._events

    def __iter__(self) -> Iterator[Any]:
        """All kept events, oldest first."""
        return iter(tuple(self._read()))

    @property
    def latest(self) -> Any | None:
        """The newest event."""
        events = self._events or self._read()
        return events[-1] if events else None

    def post(self, event_type: VimType, entity: ManagedObject | None, message: str, /, **fields: Any) -> Any:
        """Log an event of ``event_type`` about ``entity``; returns it.

        Key, time, user and the entity arguments (datacenter, host, vm, ...) are filled in.
        """
        key = self._center.store.next_number()
        known = {info.name for info in event_type._GetPropertyList()}
        values = {k: v for k, v in self._arguments(entity).items() if k in known}
        values.update(fields)
        event = event_type(
            key=key,
            chainId=values.pop("chainId", key),
            createdTime=self._center.now(),
            userName=values.pop("userName", current_user()),
            fullFormattedMessage=message,
            **values,
        )
        self._events.append(event)
        self._center.store.append_event(key, codec.dump(event))
        self._posted += 1
        if self._posted % _PRUNE_EVERY == 0:
            self._center.store.drop_events_below(self._read()[0].key)
        for listener in tuple(self.listeners):
            listener(event)
        self._center.event_posted()
        return event

    def _arguments(self, entity: ManagedObject | None) -> dict[str, Any]:
        found: dict[str, Any] = {}
        if not isinstance(entity, ManagedEntity):
            return found
        chain: list[ManagedEntity] = [entity, *entity.ancestors()]
        hosts = self._center.relations.targets(entity.moid, "vm.host")
        host = self._center.registry.get(hosts[0]) if hosts else None
        if isinstance(host, ManagedEntity):
            chain += [host, *host.ancestors()]
        for link in chain:
            for vim_type, name, argument in _ARGUMENTS:
                if issubclass(link.vim_type, vim_type) and name not in found:
                    found[name] = argument(name=link.name, **{_FIELD.get(name, name): link.ref})
        if issubclass(entity.vim_type, vim.VirtualMachine):
            found["template"] = bool(getattr(entity, "is_template", False))
        return found


_FIELD = {"net": "network", "ds": "datastore"}
_ARGUMENTS: tuple[tuple[VimType, str, VimType], ...] = (
    (vim.VirtualMachine, "vm", vim.event.VmEventArgument),
    (vim.HostSystem, "host", vim.event.HostEventArgument),
    (vim.ComputeResource, "computeResource", vim.event.ComputeResourceEventArgument),
    (vim.Datacenter, "datacenter", vim.event.DatacenterEventArgument),
    (vim.Datastore, "ds", vim.event.DatastoreEventArgument),
    (vim.Network, "net", vim.event.NetworkEventArgument),
    (vim.DistributedVirtualSwitch, "dvs", vim.event.DvsEventArgument),
    (vim.ResourcePool, "resourcePool", vim.event.ResourcePoolEventArgument),
    (vim.Folder, "folder", vim.event.FolderEventArgument),
)
