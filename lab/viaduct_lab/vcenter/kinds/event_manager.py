"""EventManager."""

from __future__ import annotations

from functools import cache
from typing import Any

from viaduct_lab.vcenter.core.content import known
from viaduct_lab.vcenter.core.context import Call
from viaduct_lab.vcenter.core.kinds import kind
from viaduct_lab.vcenter.core.managed_entity import ManagedEntity
from viaduct_lab.vcenter.core.managed_object import ManagedObject, soap_method
from viaduct_lab.vcenter.core.property_paths import load_all_types
from viaduct_lab.vcenter.core.types import Ref, VimType, support, vim
from viaduct_lab.vcenter.history.event_selection import selects
from viaduct_lab.vcenter.kinds.history_collectors import EventHistoryCollector

_MOST_EVENTS = 1000
_CATEGORIES = ("info", "warning", "error", "user")


@kind
class EventManager(ManagedObject):
    """The event log as clients see it."""

    vim_type = vim.event.EventManager

    def prop_latestEvent(self) -> Any:
        return self.center.events.latest

    def prop_maxCollector(self) -> int:
        return 32

    def prop_description(self) -> Any:
        return _description()

    @soap_method("QueryEvents")
    def query(self, call: Call, args: Any) -> list[Any]:
        """The newest events that the filter selects (at most 1000), oldest first."""
        spec = args.filter
        found = [e for e in self.center.events if selects(self.center.registry, spec, e)]
        limit = min(spec.maxCount or _MOST_EVENTS, _MOST_EVENTS)
        return found[-limit:]

    @soap_method("CreateCollectorForEvents")
    def create_collector(self, call: Call, args: Any) -> Ref:
        return EventHistoryCollector(self.center, call.required_session(), args.filter).ref

    @soap_method("LogUserEvent")
    def log_user_event(self, call: Call, args: Any) -> None:
        entity = self.center.registry.find(args.entity, ManagedEntity)
        self.center.events.post(vim.event.GeneralUserEvent, entity, args.msg, message=args.msg)

    @soap_method("PostEvent")
    def post_event(self, call: Call, args: Any) -> None:
        given = args.eventToPost
        own = {"key", "chainId", "createdTime", "userName", "fullFormattedMessage"}
        fields = {
            info.name: value
            for info in given._GetPropertyList()
            if info.name not in own and (value := getattr(given, info.name)) not in (None, [])
        }
        message = given.fullFormattedMessage or getattr(given, "message", None) or ""
        self.center.events.post(given.__class__, None, message, **fields)


@cache
def _description() -> Any:
    load_all_types()
    base = support.GetVmodlType("vim.event.Event")
    events = []
    for name in sorted(support.ListDataTypes()):
        cls = support.GetVmodlType(name)
        if issubclass(cls, base) and known(cls._version):
            events.append(_event_detail(cls))
    return vim.event.EventDescription(
        category=[
            vim.ElementDescription(key=name, label=name.capitalize(), summary=name) for name in _CATEGORIES
        ],
        eventInfo=events,
        enumeratedTypes=[],
    )


def _event_detail(cls: VimType) -> Any:
    text = "{fullFormattedMessage}"
    name = cls._wsdlName
    return vim.event.EventDescription.EventDetail(
        key=cls,
        description=name,
        category="error" if "Failed" in name or "Error" in name else "info",
        formatOnDatacenter=text,
        formatOnComputeResource=text,
        formatOnHost=text,
        formatOnVm=text,
        fullFormat=text,
    )
