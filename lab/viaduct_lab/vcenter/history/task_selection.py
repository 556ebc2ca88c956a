"""Which tasks a ``TaskFilterSpec`` selects."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from viaduct_lab.vcenter.core.types import vim
from viaduct_lab.vcenter.history.entity_scope import concerns
from viaduct_lab.vcenter.history.event_selection import user_matches

if TYPE_CHECKING:
    from viaduct_lab.vcenter.core.registry import Registry

_TIMES = {"queuedTime": "queueTime", "startedTime": "startTime", "completedTime": "completeTime"}


def selects(registry: Registry, spec: Any, info: Any) -> bool:
    """Whether ``spec`` (a ``TaskFilterSpec``; None selects all) selects the task ``info``."""
    if spec is None:
        return True
    if spec.entity is not None:
        moids = [info.entity._moId] if info.entity is not None else []
        if not concerns(registry, spec.entity, moids):
            return False
    if spec.time is not None and not _time_matches(spec.time, info):
        return False
    if spec.userName is not None:
        by_user = isinstance(info.reason, vim.TaskReasonUser)
        if not user_matches(spec.userName, info.reason.userName if by_user else ""):
            return False
    if spec.state and info.state not in spec.state:
        return False
    if spec.activationId and info.activationId not in spec.activationId:
        return False
    if spec.eventChainId and info.eventChainId not in spec.eventChainId:
        return False
    if spec.parentTaskKey and info.parentTaskKey not in spec.parentTaskKey:
        return False
    return not spec.rootTaskKey or info.rootTaskKey in spec.rootTaskKey


def _time_matches(spec: Any, info: Any) -> bool:
    when = getattr(info, _TIMES[str(spec.timeType)])
    if when is None:
        return False
    if spec.beginTime is not None and when < spec.beginTime:
        return False
    return spec.endTime is None or when <= spec.endTime
