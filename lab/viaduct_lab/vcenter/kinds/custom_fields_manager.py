"""CustomFieldsManager: custom attributes of entities."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from viaduct_lab.vcenter.core import faults
from viaduct_lab.vcenter.core.context import Call
from viaduct_lab.vcenter.core.kinds import kind
from viaduct_lab.vcenter.core.managed_entity import ManagedEntity
from viaduct_lab.vcenter.core.managed_object import ManagedObject, soap_method
from viaduct_lab.vcenter.core.types import support, vim

if TYPE_CHECKING:
    from viaduct_lab.vcenter.core.center import VCenter

_META = "custom_fields"


@dataclass(frozen=True)
class Field:
    """A custom attribute; ``type_name`` is the only type of entity that has it, or empty for all."""

    key: int
    name: str
    type_name: str = ""


@kind
class CustomFieldsManager(ManagedObject):
    """Definitions of custom attributes; the values lie with the entities."""

    vim_type = vim.CustomFieldsManager

    def __init__(self, center: VCenter, moid: str) -> None:
        super().__init__(center, moid)
        saved = json.loads(center.store.meta(_META) or "[]")
        self._fields = {raw["key"]: Field(**raw) for raw in saved}

    def fields_for(self, entity: ManagedEntity) -> list[Any]:
        """The definitions that apply to ``entity``, as ``CustomFieldDef``."""
        return [
            _definition(field)
            for field in self._fields.values()
            if not field.type_name
            or issubclass(entity.vim_type, support.GetWsdlType("urn:vim25", field.type_name))
        ]

    def prop_field(self) -> list[Any]:
        return [_definition(field) for field in self._fields.values()]

    def _changed(self) -> None:
        self.center.store.set_meta(_META, json.dumps([asdict(field) for field in self._fields.values()]))
        self.notify("field")
        for entity in self.center.registry.of_kind(ManagedEntity):
            entity.notify("availableField")

    def _existing(self, key: int) -> Field:
        if key not in self._fields:
            raise faults.invalid_argument("key", f"There is no custom field {key}.")
        return self._fields[key]

    @soap_method("AddCustomFieldDef")
    def add(self, call: Call, args: Any) -> Any:
        type_name = support.GetWsdlName(args.moType) if args.moType is not None else ""
        self._check_name(args.name)
        field = Field(self.center.store.next_number(), args.name, type_name)
        self._fields[field.key] = field
        self._changed()
        return _definition(field)

    @soap_method("RenameCustomFieldDef")
    def rename(self, call: Call, args: Any) -> None:
        field = self._existing(args.key)
        self._check_name(args.name)
        self._fields[field.key] = Field(field.key, args.name, field.type_name)
        self._changed()

    @soap_method("RemoveCustomFieldDef")
    def remove(self, call: Call, args: Any) -> None:
        field = self._existing(args.key)
        del self._fields[field.key]
        for entity in self.center.registry.of_kind(ManagedEntity):
            if entity.custom_values.pop(field.key, None) is not None:
                entity.changed("customValue", "value", "summary")
        self._changed()

    @soap_method("SetField")
    def set_field(self, call: Call, args: Any) -> None:
        self._existing(args.key)
        entity = self.center.registry.find(args.entity, ManagedEntity)
        entity.custom_values[args.key] = args.value
        entity.changed("customValue", "value", "summary")

    def _check_name(self, name: str) -> None:
        if any(field.name == name for field in self._fields.values()):
            raise vim.fault.DuplicateName(
                name=name, object=self.ref, msg=f"The name '{name}' already exists."
            )


def _definition(field: Field) -> Any:
    owner = support.GetWsdlType("urn:vim25", field.type_name) if field.type_name else None
    return vim.CustomFieldsManager.FieldDef(key=field.key, name=field.name, type=str, managedObjectType=owner)
