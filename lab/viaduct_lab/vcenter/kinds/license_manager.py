"""LicenseManager and LicenseAssignmentManager: the lab needs no licence and says so."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from viaduct_lab.vcenter.core.context import Call
from viaduct_lab.vcenter.core.kinds import kind
from viaduct_lab.vcenter.core.managed_object import ManagedObject, soap_method
from viaduct_lab.vcenter.core.types import Ref, vim, vmodl
from viaduct_lab.vcenter.kinds.host_system import HostSystem

if TYPE_CHECKING:
    from viaduct_lab.vcenter.core.center import VCenter

_ASSIGNMENTS = "LicenseAssignmentManager"


def lab_license() -> Any:
    """The one licence: evaluation mode, without limits."""
    return vim.LicenseManager.LicenseInfo(
        licenseKey="00000-00000-00000-00000-00000",
        editionKey="eval",
        name="Evaluation Mode (Viaduct lab)",
        total=0,
        used=0,
        costUnit="",
    )


@kind
class LicenseManager(ManagedObject):
    """Licences."""

    vim_type = vim.LicenseManager

    def __init__(self, center: VCenter, moid: str) -> None:
        super().__init__(center, moid)
        center.registry.restore(LicenseAssignmentManager(center, _ASSIGNMENTS))

    def prop_source(self) -> Any:
        return vim.LicenseManager.EvaluationLicense(remainingHours=1440)

    def prop_sourceAvailable(self) -> bool:
        return True

    def prop_licensedEdition(self) -> str:
        return "eval"

    def prop_licenses(self) -> list[Any]:
        return [lab_license()]

    def prop_licenseAssignmentManager(self) -> Ref:
        return vim.LicenseAssignmentManager(_ASSIGNMENTS)

    def prop_evaluation(self) -> Any:
        return vim.LicenseManager.EvaluationInfo(
            properties=[vmodl.KeyAnyValue(key="expirationHours", value=1440)]
        )

    @soap_method("CheckLicenseFeature")
    def check_feature(self, call: Call, args: Any) -> bool:
        return True


@kind
class LicenseAssignmentManager(ManagedObject):
    """Which entity has which licence."""

    vim_type = vim.LicenseAssignmentManager

    @soap_method("QueryAssignedLicenses")
    def query(self, call: Call, args: Any) -> list[Any]:
        center = self.center
        names = {center.instance_uuid: center.config.addresses[0]}
        names.update({host.moid: host.name for host in center.registry.of_kind(HostSystem)})
        return [
            vim.LicenseAssignmentManager.LicenseAssignment(
                entityId=entity,
                scope=center.instance_uuid,
                entityDisplayName=name,
                assignedLicense=lab_license(),
            )
            for entity, name in names.items()
            if not args.entityId or args.entityId == entity
        ]
