"""ExtensionManager."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from viaduct_lab.vcenter.core import codec, faults
from viaduct_lab.vcenter.core.context import Call
from viaduct_lab.vcenter.core.kinds import kind
from viaduct_lab.vcenter.core.managed_entity import ManagedEntity
from viaduct_lab.vcenter.core.managed_object import ManagedObject, refs, soap_method
from viaduct_lab.vcenter.core.types import Ref, vim

if TYPE_CHECKING:
    from viaduct_lab.vcenter.core.center import VCenter

_META = "extensions"


@kind
class ExtensionManager(ManagedObject):
    """Registered extensions; OpenStack's drivers register theirs to mark what they own."""

    vim_type = vim.ExtensionManager

    def __init__(self, center: VCenter, moid: str) -> None:
        super().__init__(center, moid)
        saved = json.loads(center.store.meta(_META) or "{}")
        self._extensions: dict[str, Any] = {key: codec.load(xml) for key, xml in saved.items()}

    def _changed(self) -> None:
        saved = {key: codec.dump(value) for key, value in self._extensions.items()}
        self.center.store.set_meta(_META, json.dumps(saved))
        self.notify("extensionList")

    def _existing(self, key: str) -> Any:
        if key not in self._extensions:
            raise vim.fault.NotFound(msg=f"There is no extension {key}.")
        return self._extensions[key]

    def prop_extensionList(self) -> list[Any]:
        return list(self._extensions.values())

    @soap_method("FindExtension")
    def find(self, call: Call, args: Any) -> Any:
        return self._extensions.get(args.extensionKey)

    @soap_method("RegisterExtension")
    def register(self, call: Call, args: Any) -> None:
        key = args.extension.key
        if not key or key in self._extensions:
            raise faults.invalid_argument("extension.key", f"The extension {key} exists already.")
        self._extensions[key] = args.extension
        self._changed()

    @soap_method("UpdateExtension")
    def update(self, call: Call, args: Any) -> None:
        self._existing(args.extension.key)
        self._extensions[args.extension.key] = args.extension
        self._changed()

    @soap_method("UnregisterExtension")
    def unregister(self, call: Call, args: Any) -> None:
        self._existing(args.extensionKey)
        del self._extensions[args.extensionKey]
        self._changed()

    @soap_method("QueryManagedBy")
    def query_managed_by(self, call: Call, args: Any) -> list[Ref]:
        self._existing(args.extensionKey)

        def managed(entity: ManagedEntity) -> bool:
            config = entity.read("config")
            by = getattr(config, "managedBy", None)
            return by is not None and by.extensionKey == args.extensionKey

        vms = [
            entity
            for entity in self.center.registry.of_kind(ManagedEntity)
            if issubclass(entity.vim_type, vim.VirtualMachine)
        ]
        return refs(vm for vm in vms if managed(vm))
