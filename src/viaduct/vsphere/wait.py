"""Waiting without polling: WaitForUpdatesEx on a property collector of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import Any

from pyVmomi import vim, vmodl

from viaduct.errors import VCenterTaskFailed
from viaduct.vsphere.faults import task_failed
from viaduct.vsphere.session import Session, now

_Collector = vmodl.query.PropertyCollector

_ROUND = 20.0
"""Seconds that one long poll lasts at most: well below what proxies and our own time-out allow."""

_TASK_PATHS = ("info.state", "info.progress", "info.error", "info.result")

TASK_TIMEOUT = 3600.0


def until(
    session: Session,
    object_: Any,
    paths: Sequence[str],
    reached: Callable[[Mapping[str, Any]], bool],
    timeout: float,
) -> Mapping[str, Any] | None:
    """Follow an object's properties until ``reached`` says so; None when ``timeout`` seconds are over.

    Every round starts from the present values, so that a change that the vCenter does not announce (guest
    variables of some releases) is seen at the latest after one round. Raises ManagedObjectNotFound when the
    object is gone.
    """
    deadline = now() + timeout
    losses = 0
    while True:
        try:
            values = _round(session, object_, paths, reached, min(_ROUND, deadline - now()))
        except vmodl.fault.ManagedObjectNotFound as missing:
            # A dropped session takes its collectors along; then wait on a new one.
            losses += 1
            if getattr(missing.obj, "_moId", None) == object_._moId or losses > 3:
                raise
            continue
        if values is not None:
            return values
        if now() >= deadline:
            return None


def task(session: Session, task_: Any, doing: str, report: Callable[[str], None] | None = None) -> Any:
    """Wait for a task and return its result. Progress is reported in steps of ten per cent.

    Raises VCenterTaskFailed.
    """
    shown = 0

    def ended(values: Mapping[str, Any]) -> bool:
        nonlocal shown
        progress = values.get("info.progress") or 0
        if report is not None and progress >= shown + 10:
            shown = progress - progress % 10
            report(f"{shown} %")
        return values.get("info.state") in (vim.TaskInfo.State.success, vim.TaskInfo.State.error)

    values = until(session, task_, _TASK_PATHS, ended, TASK_TIMEOUT)
    if values is None:
        raise VCenterTaskFailed(
            f"vCenter did not {doing} within {TASK_TIMEOUT / 60:.0f} minutes.",
            "Look at Recent Tasks in vCenter; when the task is done there, run the same command again.",
        )
    if values["info.state"] == vim.TaskInfo.State.error:
        raise task_failed(doing, values["info.error"])
    return values.get("info.result")


def _round(
    session: Session,
    object_: Any,
    paths: Sequence[str],
    reached: Callable[[Mapping[str, Any]], bool],
    seconds: float,
) -> Mapping[str, Any] | None:
    deadline = now() + max(seconds, 0.0)
    values: dict[str, Any] = {}
    version = ""
    with _collector(session) as collector:
        collector.CreateFilter(
            _Collector.FilterSpec(
                objectSet=[_Collector.ObjectSpec(obj=object_, skip=False)],
                propSet=[_Collector.PropertySpec(type=type(object_), pathSet=list(paths), all=False)],
            ),
            False,
        )
        while True:
            left = max(0, round(deadline - now() + 0.4))
            update = collector.WaitForUpdatesEx(version, _Collector.WaitOptions(maxWaitSeconds=left))
            if update is not None:
                version = update.version
                _merge(values, update, object_)
                if reached(values):
                    return values
            if now() >= deadline:
                return None


def _merge(values: dict[str, Any], update: Any, object_: Any) -> None:
    for filter_ in update.filterSet:
        for changed in filter_.objectSet:
            if changed.kind == _Collector.ObjectUpdate.Kind.leave:
                raise vmodl.fault.ManagedObjectNotFound(obj=object_, msg="The object has been removed.")
            for change in changed.changeSet:
                if change.op in (_Collector.Change.Op.assign, _Collector.Change.Op.add):
                    values[change.name] = change.val
                else:
                    values.pop(change.name, None)


@contextmanager
def _collector(session: Session) -> Iterator[Any]:
    """A collector of our own: filters of several waiting threads must not mix."""
    collector = session.content.propertyCollector.CreatePropertyCollector()
    try:
        yield collector
    finally:
        with suppress(vmodl.fault.ManagedObjectNotFound):
            collector.DestroyPropertyCollector()
