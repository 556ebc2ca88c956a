"""Task: an operation in progress or done."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any, Self

from viaduct_lab.vcenter.core import codec, faults
from viaduct_lab.vcenter.core.context import Call
from viaduct_lab.vcenter.core.kinds import kind
from viaduct_lab.vcenter.core.managed_object import ManagedObject, soap_method
from viaduct_lab.vcenter.core.types import vim, vmodl

if TYPE_CHECKING:
    from viaduct_lab.vcenter.core.center import VCenter


@kind
class Task(ManagedObject):
    """A task; it is kept for a while after its end."""

    vim_type = vim.Task
    persistent = True

    def __init__(self, center: VCenter, moid: str, info: Any) -> None:
        super().__init__(center, moid)
        self.info = info

    @property
    def finished(self) -> bool:
        """Whether the task has ended, well or not."""
        return self.info.state in ("success", "error")

    def prop_info(self) -> Any:
        return self.info

    def snapshot(self) -> Any:
        """The present ``TaskInfo``, not changed by what comes."""
        return copy.copy(self.info)

    def update(self, **fields: Any) -> None:
        """Set fields of ``TaskInfo``."""
        for name, value in fields.items():
            setattr(self.info, name, value)
        self.changed("info")

    @soap_method("CancelTask")
    def cancel(self, call: Call, args: Any) -> None:
        if self.finished:
            raise vim.fault.InvalidState(msg="The task has already completed.")
        if not self.info.cancelable:
            raise faults.not_supported("The task cannot be canceled.")
        self.update(cancelled=True)

    @soap_method("SetTaskState")
    def set_state(self, call: Call, args: Any) -> None:
        if self.finished:
            raise vim.fault.InvalidState(msg="The task has already completed.")
        fields: dict[str, Any] = {"state": args.state}
        if args.state == "running" and self.info.startTime is None:
            fields["startTime"] = self.center.now()
        if args.state in ("success", "error"):
            fields["completeTime"] = self.center.now()
        if args.result is not None:
            fields["result"] = args.result
        if args.fault is not None:
            fields["error"] = args.fault
        self.update(**fields)

    @soap_method("UpdateProgress")
    def update_progress(self, call: Call, args: Any) -> None:
        if self.info.state != "running":
            raise vim.fault.InvalidState(msg="The task is not running.")
        if not 0 <= args.percentDone <= 100:
            raise faults.invalid_argument("percentDone")
        self.update(progress=args.percentDone)

    @soap_method("SetTaskDescription")
    def set_description(self, call: Call, args: Any) -> None:
        self.update(description=args.description)

    def save(self) -> dict[str, Any]:
        return {"info": codec.dump(self.info)}

    @classmethod
    def load(cls, center: VCenter, moid: str, state: dict[str, Any]) -> Self:
        return cls(center, moid, codec.load(state["info"]))

    def restored(self) -> None:
        self.center.tasks.remember(self)
        if not self.finished:
            self.update(
                state="error",
                completeTime=self.center.now(),
                error=vmodl.fault.SystemError(
                    reason="vCenter was restarted",
                    msg="The operation was interrupted by a restart of vCenter.",
                ),
            )
