"""OptionManager: vCenter's settings."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from viaduct_lab.vcenter.core import codec
from viaduct_lab.vcenter.core.context import Call
from viaduct_lab.vcenter.core.kinds import kind
from viaduct_lab.vcenter.core.managed_object import ManagedObject, soap_method
from viaduct_lab.vcenter.core.types import vim

if TYPE_CHECKING:
    from viaduct_lab.vcenter.core.center import VCenter

_META = "settings"
_OptionValue: Any = vim.option.OptionValue


@kind
class OptionManager(ManagedObject):
    """Settings by key, kept over a restart. Only those that describe this server have an effect."""

    vim_type = vim.option.OptionManager

    def __init__(self, center: VCenter, moid: str) -> None:
        super().__init__(center, moid)
        address = center.config.addresses[0]
        self._settings: dict[str, Any] = {
            "VirtualCenter.FQDN": address,
            "VirtualCenter.InstanceName": address,
            "VirtualCenter.ManagedIP": address,
            "config.vpxd.hostnameUrl": address,
            "event.maxAge": 30,
            "event.maxAgeEnabled": True,
            "instance.id": 1,
            "task.maxAge": 30,
            "task.maxAgeEnabled": True,
        }
        self._own: dict[str, Any] = {}
        saved = center.store.meta(_META)
        if saved is not None:
            self._own = {option.key: option.value for option in codec.load(saved)}

    def _all(self) -> list[Any]:
        merged = {**self._settings, **self._own}
        return [_OptionValue(key=key, value=merged[key]) for key in sorted(merged)]

    def prop_setting(self) -> list[Any]:
        return self._all()

    @soap_method("QueryOptions")
    def query(self, call: Call, args: Any) -> list[Any]:
        name = args.name or ""
        found = [
            option
            for option in self._all()
            if not name or option.key == name or (name.endswith(".") and option.key.startswith(name))
        ]
        if name and not found:
            raise vim.fault.InvalidName(name=name, msg=f"There is no setting {name}.")
        return found

    @soap_method("UpdateOptions")
    def update(self, call: Call, args: Any) -> None:
        for option in args.changedValue:
            self._own[option.key] = option.value
        options = _OptionValue.Array(_OptionValue(key=key, value=value) for key, value in self._own.items())
        self.center.store.set_meta(_META, codec.dump(options))
        self.notify("setting")
