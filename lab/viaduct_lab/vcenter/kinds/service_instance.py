"""ServiceInstance: the entry point."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from viaduct_lab.vcenter.core.context import Call
from viaduct_lab.vcenter.core.kinds import kind
from viaduct_lab.vcenter.core.managed_object import ManagedObject, soap_method
from viaduct_lab.vcenter.core.types import vim


@kind
class ServiceInstance(ManagedObject):
    """The root of the API."""

    vim_type = vim.ServiceInstance
    volatile = frozenset({"serverClock"})

    def prop_content(self) -> Any:
        return self.center.content

    def prop_serverClock(self) -> datetime:
        return self.center.now()

    def prop_capability(self) -> Any:
        return vim.Capability(
            provisioningSupported=True,
            multiHostSupported=True,
            userShellAccessSupported=False,
            supportedEVCMode=[],
            networkBackupAndRestoreSupported=False,
        )

    @soap_method("RetrieveServiceContent")
    def retrieve_content(self, call: Call, args: Any) -> Any:
        return self.center.content

    @soap_method("CurrentTime")
    def current_time(self, call: Call, args: Any) -> datetime:
        return self.center.now()
