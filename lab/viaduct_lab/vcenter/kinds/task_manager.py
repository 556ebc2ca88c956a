"""TaskManager."""

from __future__ import annotations

from typing import Any

from viaduct_lab.vcenter.core.content import known
from viaduct_lab.vcenter.core.context import Call
from viaduct_lab.vcenter.core.descriptions import description_id
from viaduct_lab.vcenter.core.kinds import all_kinds, kind
from viaduct_lab.vcenter.core.managed_entity import ManagedEntity
from viaduct_lab.vcenter.core.managed_object import ManagedObject, soap_method
from viaduct_lab.vcenter.core.types import Ref, vim
from viaduct_lab.vcenter.kinds.history_collectors import TaskHistoryCollector
from viaduct_lab.vcenter.kinds.task import Task

_STATES = (("queued", "Queued"), ("running", "Running"), ("success", "Success"), ("error", "Error"))


@kind
class TaskManager(ManagedObject):
    """Lists tasks, and makes tasks that an extension drives itself."""

    vim_type = vim.TaskManager

    def prop_recentTask(self) -> list[Ref]:
        return self.center.tasks.recent()

    def prop_maxCollector(self) -> int:
        return 32

    def prop_description(self) -> Any:
        describe = vim.ElementDescription
        return vim.TaskDescription(
            methodInfo=[
                describe(
                    key=description_id(owner.vim_type, method),
                    label=method.wsdlName,
                    summary=method.wsdlName,
                )
                for owner in all_kinds()
                for method in owner.vim_type._GetMethodList()
                if method.isTask and known(method.version)
            ],
            state=[describe(key=key, label=label, summary=label) for key, label in _STATES],
            reason=[
                vim.TypeDescription(key=vim.TaskReasonUser, label="User", summary="By a user"),
                vim.TypeDescription(key=vim.TaskReasonSystem, label="System", summary="By vCenter"),
            ],
        )

    @soap_method("CreateCollectorForTasks")
    def create_collector(self, call: Call, args: Any) -> Ref:
        return TaskHistoryCollector(self.center, call.required_session(), args.filter).ref

    @soap_method("CreateTask")
    def create_task(self, call: Call, args: Any) -> Any:
        target = self.center.registry.find(args.obj, ManagedObject)
        entity = target if isinstance(target, ManagedEntity) else None
        moid = self.center.registry.new_moid("task")
        info = vim.TaskInfo(
            key=moid,
            task=vim.Task(moid),
            descriptionId=args.taskTypeId,
            entity=entity.ref if entity is not None else None,
            entityName=entity.name if entity is not None else None,
            state="queued",
            cancelled=False,
            cancelable=args.cancelable,
            reason=vim.TaskReasonUser(userName=args.initiatedBy or call.user),
            queueTime=self.center.now(),
            eventChainId=self.center.store.next_number(),
            parentTaskKey=args.parentTaskKey,
            activationId=args.activationId,
        )
        task = Task(self.center, moid, info)
        self.center.registry.add(task)
        self.center.tasks.remember(task)
        self.notify("recentTask")
        return info
