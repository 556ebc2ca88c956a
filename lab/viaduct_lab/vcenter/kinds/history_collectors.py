"""TaskHistoryCollector and EventHistoryCollector."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any

from viaduct_lab.vcenter.core import faults
from viaduct_lab.vcenter.core.context import Call
from viaduct_lab.vcenter.core.kinds import kind
from viaduct_lab.vcenter.core.managed_object import ManagedObject, soap_method
from viaduct_lab.vcenter.core.sessions import Session
from viaduct_lab.vcenter.core.types import vim
from viaduct_lab.vcenter.history import event_selection, task_selection
from viaduct_lab.vcenter.history.pager import MAX_PAGE, Pager

if TYPE_CHECKING:
    from viaduct_lab.vcenter.core.center import VCenter
    from viaduct_lab.vcenter.kinds.task import Task


class HistoryCollector(ManagedObject):
    """What both collectors have in common; they belong to a session."""

    volatile = frozenset({"latestPage"})

    def __init__(self, center: VCenter, session: Session, spec: Any, items: list[Any]) -> None:
        super().__init__(center, f"session[{session.key}]{uuid.uuid4()}")
        self.spec = spec
        self.pager = Pager(items)
        self._session = session
        center.registry.add(self)
        session.own(self)

    def prop_filter(self) -> Any:
        return self.spec

    @soap_method("SetCollectorPageSize")
    def set_page_size(self, call: Call, args: Any) -> None:
        self.pager.page_size = checked_count(args.maxCount)
        self.notify("latestPage")

    @soap_method("RewindCollector")
    def rewind(self, call: Call, args: Any) -> None:
        self.pager.rewind()

    @soap_method("ResetCollector")
    def reset(self, call: Call, args: Any) -> None:
        self.pager.reset()

    @soap_method("DestroyCollector")
    def destroy(self, call: Call, args: Any) -> None:
        self._session.disown(self)
        self.center.registry.remove(self)


@kind
class EventHistoryCollector(HistoryCollector):
    """Pages through the events that a filter selects, also those that come later."""

    vim_type = vim.event.EventHistoryCollector

    def __init__(self, center: VCenter, session: Session, spec: Any) -> None:
        found = [e for e in center.events if event_selection.selects(center.registry, spec, e)]
        super().__init__(center, session, spec, found)
        center.events.listeners.add(self._posted)

    def removed(self) -> None:
        self.center.events.listeners.discard(self._posted)

    def _posted(self, event: Any) -> None:
        if event_selection.selects(self.center.registry, self.spec, event):
            self.pager.items.append(event)
            self.notify("latestPage")

    def prop_latestPage(self) -> list[Any]:
        return self.pager.latest_page()

    @soap_method("ReadNextEvents")
    def read_next(self, call: Call, args: Any) -> list[Any]:
        return self.pager.read_next(checked_count(args.maxCount))

    @soap_method("ReadPreviousEvents")
    def read_previous(self, call: Call, args: Any) -> list[Any]:
        return self.pager.read_previous(checked_count(args.maxCount))


@kind
class TaskHistoryCollector(HistoryCollector):
    """Pages through the tasks that a filter selected when the collector was made."""

    vim_type = vim.TaskHistoryCollector

    def __init__(self, center: VCenter, session: Session, spec: Any) -> None:
        found = [
            task
            for task in center.tasks.remembered()
            if task_selection.selects(center.registry, spec, task.info)
        ]
        super().__init__(center, session, spec, found)

    def prop_latestPage(self) -> list[Any]:
        return _infos(self.pager.latest_page())

    @soap_method("ReadNextTasks")
    def read_next(self, call: Call, args: Any) -> list[Any]:
        return _infos(self.pager.read_next(checked_count(args.maxCount)))

    @soap_method("ReadPreviousTasks")
    def read_previous(self, call: Call, args: Any) -> list[Any]:
        return _infos(self.pager.read_previous(checked_count(args.maxCount)))


def checked_count(count: int) -> int:
    """``count``; raises ``InvalidArgument`` outside of 1 to 1000."""
    if not 1 <= count <= MAX_PAGE:
        raise faults.invalid_argument("maxCount", f"maxCount must be from 1 to {MAX_PAGE}.")
    return count


def _infos(tasks: list[Task]) -> list[Any]:
    return [task.info for task in tasks]
