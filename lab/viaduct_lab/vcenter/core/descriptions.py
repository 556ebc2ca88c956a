"""What vCenter calls an operation in ``TaskInfo.descriptionId``: ``VirtualMachine.powerOn``."""

from __future__ import annotations

from typing import Any

from viaduct_lab.vcenter.core.types import VimType

_CAPITAL = frozenset(
    {
        "StorageResourceManager.ConfigureDatastoreIORM",
        *(
            f"host.PatchManager.{name}"
            for name in ("Check", "Install", "InstallV2", "Query", "Scan", "ScanV2", "Stage", "Uninstall")
        ),
    }
)
"""Operations whose key vCenter writes as the API declares them."""


def description_id(owner: VimType, method: Any) -> str:
    """The key of ``method`` (pyVmomi's description) on an object of type ``owner``.

    The object's own type counts, not the one that declares the method (``Folder.rename``), and the method's
    name in the API's own language, not in its WSDL (``createVm``, not ``CreateVM_Task``).
    """
    name: str = method.name
    kind: str = owner.__name__.removeprefix("vim.")
    declared = f"{kind}.{name}"
    return declared if declared in _CAPITAL else f"{kind}.{name[:1].lower()}{name[1:]}"
