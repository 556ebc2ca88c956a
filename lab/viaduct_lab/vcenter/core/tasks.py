"""Running tasks: from the ``…_Task`` call to success or error."""

from __future__ import annotations

import asyncio
import sys
import traceback
from collections import defaultdict
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

from viaduct_lab.vcenter.core import codec, faults
from viaduct_lab.vcenter.core.context import Call
from viaduct_lab.vcenter.core.descriptions import description_id
from viaduct_lab.vcenter.core.managed_entity import ManagedEntity
from viaduct_lab.vcenter.core.managed_object import ManagedObject
from viaduct_lab.vcenter.core.types import Ref, support, vim, vmodl

if TYPE_CHECKING:
    from viaduct_lab.vcenter.core.center import VCenter
    from viaduct_lab.vcenter.kinds.task import Task

Body = Callable[["TaskRun"], Awaitable[Any]]
_KEEP_FINISHED = 500
_RECENT = 200


class TaskRun:
    """A running task, as its body sees it."""

    def __init__(self, task: Task) -> None:
        self._task = task

    @property
    def ref(self) -> Ref:
        """The task's reference."""
        return self._task.ref

    @property
    def cancelled(self) -> bool:
        """Whether a client asked for cancellation."""
        return bool(self._task.info.cancelled)

    def progress(self, percent: int) -> None:
        """Show how far the task is."""
        if self._task.info.progress != percent:
            self._task.update(progress=percent)
            self._task.center.commit()

    def check_cancelled(self) -> None:
        """Raise ``RequestCanceled`` if a client asked for cancellation."""
        if self.cancelled:
            raise vmodl.fault.RequestCanceled(msg="The task was canceled by a user.")


class Tasks:
    """Starts tasks, runs their bodies and remembers the recent ones."""

    def __init__(self, center: VCenter) -> None:
        self._center = center
        self._running: dict[str, asyncio.Task[None]] = {}
        self._locks: dict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._by_entity: dict[str, dict[str, None]] = defaultdict(dict)
        self._order: dict[str, None] = {}

    def start(
        self,
        call: Call | None,
        target: ManagedObject,
        method: str,
        body: Body,
        *,
        cancelable: bool = False,
        exclusive: bool = False,
    ) -> Ref:
        """Begin a task named after the SOAP method ``method`` on ``target``; returns its reference.

        ``body(run)`` is awaited afterwards. ``exclusive`` tasks of one target run one after another.
        """
        task = self._new_task(call, target, method, cancelable)
        self._center.registry.add(task)
        self.remember(task)
        job = asyncio.get_running_loop().create_task(self._run(task, target, method, body, exclusive))
        self._running[task.moid] = job
        job.add_done_callback(lambda _: self._running.pop(task.moid, None))
        self._center.task_manager_changed()
        self._center.events.post(
            vim.event.TaskEvent,
            target,
            f"Task: {method.removesuffix('_Task')}",
            info=task.snapshot(),
            chainId=task.info.eventChainId,
        )
        return task.ref

    def remember(self, task: Task) -> None:
        """Count ``task`` among the recent ones, and drop the oldest finished beyond the limit."""
        self._order[task.moid] = None
        entity = task.info.entity
        if entity is not None:
            self._by_entity[entity._moId][task.moid] = None
            self._entity_changed(entity._moId)
        if len(self._order) > _KEEP_FINISHED:
            self._prune()

    def remembered(self) -> list[Task]:
        """The tasks that are still known, oldest first."""
        from viaduct_lab.vcenter.kinds.task import Task

        found = (self._center.registry.get(moid) for moid in self._order)
        return [task for task in found if isinstance(task, Task)]

    def recent(self) -> list[Ref]:
        """The recent tasks, oldest first."""
        return [task.ref for task in self.remembered()][-_RECENT:]

    def recent_of(self, moid: str) -> list[Ref]:
        """The recent tasks of an entity, oldest first."""
        found = (self._center.registry.get(m) for m in self._by_entity.get(moid, ()))
        return [task.ref for task in found if task is not None]

    async def close(self) -> None:
        """Stop all running bodies (their tasks show an error after the next start)."""
        jobs = list(self._running.values())
        for job in jobs:
            job.cancel()
        await asyncio.gather(*jobs, return_exceptions=True)

    def _new_task(self, call: Call | None, target: ManagedObject, method: str, cancelable: bool) -> Task:
        from viaduct_lab.vcenter.kinds.task import Task

        moid = self._center.registry.new_moid("task")
        entity = target if isinstance(target, ManagedEntity) else None
        known = support.GetWsdlMethod("urn:vim25", method)
        info = vim.TaskInfo(
            key=moid,
            task=vim.Task(moid),
            name=known,
            descriptionId=description_id(target.vim_type, known.info),
            entity=entity.ref if entity is not None else None,
            entityName=entity.name if entity is not None else None,
            state="queued",
            cancelled=False,
            cancelable=cancelable,
            queueTime=self._center.now(),
            reason=vim.TaskReasonUser(userName=call.user)
            if call is not None and call.user
            else vim.TaskReasonSystem(),
            eventChainId=self._center.store.next_number(),
            activationId=call.operation_id or None if call is not None else None,
        )
        return Task(self._center, moid, info)

    async def _run(self, task: Task, target: ManagedObject, method: str, body: Body, exclusive: bool) -> None:
        if not exclusive:
            await self._run_body(task, method, body)
            return
        async with self._locks[target.moid]:
            await self._run_body(task, method, body)
        lock = self._locks.get(target.moid)
        if lock is not None and not lock.locked() and self._center.registry.get(target.moid) is None:
            del self._locks[target.moid]

    async def _run_body(self, task: Task, method: str, body: Body) -> None:
        loop = asyncio.get_running_loop()
        begin = loop.time()
        task.update(state="running", startTime=self._center.now())
        self._center.commit()
        outcome = await self._outcome(TaskRun(task), method, body)
        rest = self._center.config.task_seconds - (loop.time() - begin)
        if rest > 0:
            await asyncio.sleep(rest)
        task.update(completeTime=self._center.now(), **outcome)
        self._center.commit()

    async def _outcome(self, run: TaskRun, method: str, body: Body) -> dict[str, Any]:
        """Run the body; the fields of ``TaskInfo`` that tell how it ended."""
        try:
            run.check_cancelled()
            self._center.injected.raise_if_ordered(method, in_task=True)
            result = await body(run)
            declared = support.GetWsdlMethod("urn:vim25", method).info.methodResult
            if isinstance(result, list) and not isinstance(result, support.Array):
                result = declared(result)
            if result is not None:
                codec.dump(result)  # a result without an XML form must not get into TaskInfo
            return {"state": "success", "result": result, "progress": None}
        except faults.MethodFault as fault:
            return {"state": "error", "error": fault}
        except asyncio.CancelledError:
            raise
        except Exception as error:
            traceback.print_exc(file=sys.stderr)
            return {"state": "error", "error": faults.system_error(error)}

    def _prune(self) -> None:
        for moid in list(self._order):
            if len(self._order) <= _KEEP_FINISHED:
                return
            if moid in self._running:
                continue
            del self._order[moid]
            task: Any = self._center.registry.get(moid)
            if task is None:
                continue
            if task.info.entity is not None:
                entity = task.info.entity._moId
                self._by_entity[entity].pop(moid, None)
                if not self._by_entity[entity]:
                    del self._by_entity[entity]
            self._center.registry.remove(task)

    def _entity_changed(self, moid: str) -> None:
        entity = self._center.registry.get(moid)
        if entity is not None:
            entity.notify("recentTask")
