"""Entities: managed objects that stand in the inventory tree."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from viaduct_lab.vcenter.core import faults
from viaduct_lab.vcenter.core.context import Call
from viaduct_lab.vcenter.core.managed_object import ManagedObject, soap_method, task_method
from viaduct_lab.vcenter.core.types import Ref, vim

if TYPE_CHECKING:
    from viaduct_lab.vcenter.core.center import VCenter
    from viaduct_lab.vcenter.core.tasks import TaskRun


class ManagedEntity(ManagedObject):
    """A node of the inventory tree: it has a name and (but for the root folder) a parent.

    ``name`` is stored plain and shown with ``%``, ``/`` and ``\\`` escaped, as vCenter does.
    """

    persistent = True

    def __init__(self, center: VCenter, moid: str, name: str, parent: str | None) -> None:
        super().__init__(center, moid)
        self.name = name
        self.parent_moid = parent
        self.custom_values: dict[int, str] = {}
        self.tags: tuple[str, ...] = ()

    # tree -----------------------------------------------------------------------------------

    @property
    def parent(self) -> ManagedEntity | None:
        """The parent entity; None for the root folder."""
        if self.parent_moid is None:
            return None
        found = self.center.registry.get(self.parent_moid)
        return found if isinstance(found, ManagedEntity) else None

    def children(self) -> list[ManagedEntity]:
        """The child entities, in the order in which they came."""
        return self.center.registry.children(self.moid)

    def ancestors(self) -> Iterator[ManagedEntity]:
        """The parent, its parent, and so on up to the root folder."""
        entity = self.parent
        while entity is not None:
            yield entity
            entity = entity.parent

    def descendants(self) -> Iterator[ManagedEntity]:
        """All entities below, depth first, parents before their children."""
        stack = self.children()[::-1]
        while stack:
            entity = stack.pop()
            yield entity
            stack.extend(entity.children()[::-1])

    def child_changed(self) -> None:
        """Called when a child has come, gone or been renamed; override to call :meth:`changed`."""

    def move_to(self, parent: ManagedEntity) -> None:
        """Put the entity under another parent."""
        self.center.registry.reparent(self, parent.moid)

    def rename(self, name: str) -> None:
        """Give the entity another name (a plain one).

        Raises ``InvalidName`` if it is empty or too long and ``DuplicateName`` if a sibling has it.
        """
        plain = self.center.naming.checked(self, name)
        if plain == self.name:
            return
        self.name = plain
        self.renamed()
        if self.parent is not None:
            self.parent.child_changed()

    def renamed(self) -> None:
        """Called after a rename: tell the properties that show the name."""
        self.changed("name", "summary", "config")

    # properties of ManagedEntity ------------------------------------------------------------

    def prop_name(self) -> str:
        return escaped_name(self.name)

    def prop_parent(self) -> Ref | None:
        parent = self.parent
        return parent.ref if parent is not None else None

    def prop_overallStatus(self) -> str:
        return "green"

    def prop_configStatus(self) -> str:
        return "green"

    def prop_alarmActionsEnabled(self) -> bool:
        return True

    def prop_effectiveRole(self) -> list[int]:
        return [-1]

    def prop_customValue(self) -> list[Any]:
        return [
            vim.CustomFieldsManager.StringValue(key=key, value=value)
            for key, value in sorted(self.custom_values.items())
        ]

    def prop_value(self) -> list[Any]:
        return self.prop_customValue()

    def prop_availableField(self) -> list[Any]:
        return self.center.custom_fields_for(self)

    def prop_recentTask(self) -> list[Ref]:
        return self.center.tasks.recent_of(self.moid)

    # methods of ManagedEntity ---------------------------------------------------------------

    @task_method("Rename_Task", exclusive=True)
    async def rename_task(self, call: Call, args: Any, task: TaskRun) -> None:
        self.rename(args.newName)

    @soap_method("Reload")
    def reload(self, call: Call, args: Any) -> None:
        """Real vCenter reads the host anew; here the state is always the newest."""

    @soap_method("setCustomValue")
    def set_custom_value(self, call: Call, args: Any) -> None:
        for field in self.prop_availableField():
            if field.name == args.key:
                self.custom_values[field.key] = args.value
                self.changed("customValue", "value", "summary")
                return
        raise faults.invalid_argument("key", f"There is no custom field {args.key}.")

    # persistence ----------------------------------------------------------------------------

    def entity_state(self) -> dict[str, Any]:
        """What :meth:`save` of every entity has to contain."""
        state: dict[str, Any] = {"name": self.name, "parent": self.parent_moid}
        if self.custom_values:
            state["custom_values"] = {str(k): v for k, v in self.custom_values.items()}
        if self.tags:
            state["tags"] = list(self.tags)
        return state

    def restore_entity(self, state: dict[str, Any]) -> None:
        """Take over what :meth:`entity_state` saved besides name and parent."""
        self.custom_values = {int(k): v for k, v in state.get("custom_values", {}).items()}
        self.tags = tuple(state.get("tags", ()))


def escaped_name(name: str) -> str:
    """``name`` as vCenter shows it: ``%``, ``/`` and ``\\`` are percent-escaped."""
    return name.replace("%", "%25").replace("/", "%2f").replace("\\", "%5c")
