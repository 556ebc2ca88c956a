"""Which events an ``EventFilterSpec`` selects."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from viaduct_lab.vcenter.core.types import support, vim
from viaduct_lab.vcenter.history.entity_scope import concerns

if TYPE_CHECKING:
    from viaduct_lab.vcenter.core.registry import Registry

_REFERENCES = (
    ("vm", "vm"),
    ("host", "host"),
    ("ds", "datastore"),
    ("net", "network"),
    ("dvs", "dvs"),
    ("computeResource", "computeResource"),
    ("datacenter", "datacenter"),
)
"""(argument of an event, its reference's name), the most specific first."""


def event_type_id(event: Any) -> str:
    """The event's type as filters name it: ``vim.event.VmPoweredOnEvent``, or an ``EventEx``'s own id."""
    own = getattr(event, "eventTypeId", None)
    return own or str(event.__class__.__name__)


def entities_of(event: Any) -> list[str]:
    """The moids of the entities that an event is about, the most specific first."""
    found: dict[str, None] = {}
    info = getattr(event, "info", None)
    if isinstance(info, vim.TaskInfo) and info.entity is not None:
        found[str(info.entity._moId)] = None
    for argument, name in _REFERENCES:
        value = getattr(event, argument, None)
        if value is not None and getattr(value, name, None) is not None:
            found[str(getattr(value, name)._moId)] = None
    return list(found)


def event_category(event: Any) -> str:
    """``info``, ``warning``, ``error`` or ``user``."""
    severity = getattr(event, "severity", None)
    if severity:
        return str(severity)
    name = event.__class__.__name__
    if isinstance(event, vim.event.SessionEvent):
        return "user"
    return "error" if "Failed" in name or "Error" in name else "info"


def selects(registry: Registry, spec: Any, event: Any) -> bool:
    """Whether ``spec`` (an ``EventFilterSpec``; None selects all) selects ``event``."""
    if spec is None:
        return True
    if spec.entity is not None and not concerns(registry, spec.entity, entities_of(event)):
        return False
    if spec.time is not None:
        if spec.time.beginTime is not None and event.createdTime < spec.time.beginTime:
            return False
        if spec.time.endTime is not None and event.createdTime > spec.time.endTime:
            return False
    if spec.userName is not None and not user_matches(spec.userName, event.userName):
        return False
    if spec.eventChainId is not None and event.chainId != spec.eventChainId:
        return False
    if spec.category and event_category(event) not in spec.category:
        return False
    return _type_matches(spec, event)


def user_matches(spec: Any, user: str) -> bool:
    """Whether a user (empty: the system) is among those of an ``…FilterSpecByUsername``."""
    if not user:
        return bool(spec.systemUser)
    return not spec.userList or user in spec.userList


def _type_matches(spec: Any, event: Any) -> bool:
    if spec.type:
        classes = tuple(cls for cls in spec.type if isinstance(cls, type))
        if not isinstance(event, classes):
            return False
    if spec.eventTypeId:
        names = {event_type_id(event), event.__class__.__name__}
        names |= {support.GetWsdlName(event.__class__)}
        return not names.isdisjoint(spec.eventTypeId)
    return True
