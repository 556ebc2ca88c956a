"""AuthorizationManager: roles and privileges."""

from __future__ import annotations

import json
from functools import cache
from typing import TYPE_CHECKING, Any

from viaduct_lab.vcenter.core.context import Call
from viaduct_lab.vcenter.core.kinds import kind
from viaduct_lab.vcenter.core.managed_object import ManagedObject, soap_method
from viaduct_lab.vcenter.core.types import support, vim

if TYPE_CHECKING:
    from viaduct_lab.vcenter.core.center import VCenter

_META = "roles"
ADMIN = -1
_SYSTEM = ("System.Anonymous", "System.View", "System.Read")
_SYSTEM_ROLES: tuple[tuple[int, str, str, tuple[str, ...] | None], ...] = (
    (ADMIN, "Admin", "Full access rights", None),
    (-2, "ReadOnly", "See details of objects, but not make changes", _SYSTEM),
    (-3, "View", "Visibility access (cannot be granted)", ("System.Anonymous", "System.View")),
    (-4, "Anonymous", "Not logged-in user (cannot be granted)", ("System.Anonymous",)),
    (-5, "NoAccess", "Used for restricting granted access", ()),
)


@cache
def privileges() -> tuple[str, ...]:
    """All privileges that methods, parameters and properties of the API ask for."""
    found: set[str] = set(_SYSTEM)
    for name in support.ListManagedTypes():
        cls = support.GetVmodlType(name)
        if support.GetWsdlNamespace(cls._version) != "urn:vim25":
            continue
        for method in cls._methodInfo.values():
            found.add(method.privId)
            found.update(param.privId for param in method.params)
        found.update(info.privId for info in cls._propList)
    return tuple(sorted(name for name in found if name and "." in name))


@kind
class AuthorizationManager(ManagedObject):
    """The one user of the lab is an administrator; roles can be kept but are not enforced."""

    vim_type = vim.AuthorizationManager

    def __init__(self, center: VCenter, moid: str) -> None:
        super().__init__(center, moid)
        saved = json.loads(center.store.meta(_META) or "{}")
        self._roles: dict[int, tuple[str, tuple[str, ...]]] = {
            int(key): (name, tuple(granted)) for key, (name, granted) in saved.items()
        }

    def _changed(self) -> None:
        self.center.store.set_meta(_META, json.dumps(self._roles))
        self.notify("roleList")

    # properties -----------------------------------------------------------------------------

    def prop_privilegeList(self) -> list[Any]:
        return [
            vim.AuthorizationManager.Privilege(
                privId=name,
                onParent=False,
                name=name.rpartition(".")[2],
                privGroupName=name.rpartition(".")[0],
            )
            for name in privileges()
        ]

    def prop_roleList(self) -> list[Any]:
        system = [
            _role(key, name, summary, granted if granted is not None else privileges(), True)
            for key, name, summary, granted in _SYSTEM_ROLES
        ]
        own = [_role(key, name, name, granted, False) for key, (name, granted) in self._roles.items()]
        return system + own

    def prop_description(self) -> Any:
        describe = vim.ElementDescription
        groups = sorted({name.rpartition(".")[0] for name in privileges()})
        return vim.AuthorizationDescription(
            privilege=[describe(key=n, label=n, summary=n) for n in privileges()],
            privilegeGroup=[describe(key=n, label=n, summary=n) for n in groups],
        )

    # roles ----------------------------------------------------------------------------------

    @soap_method("AddAuthorizationRole")
    def add_role(self, call: Call, args: Any) -> int:
        self._check_name(args.name)
        key = self.center.store.next_number()
        self._roles[key] = (args.name, tuple(dict.fromkeys((*_SYSTEM, *args.privIds))))
        self._changed()
        return key

    @soap_method("UpdateAuthorizationRole")
    def update_role(self, call: Call, args: Any) -> None:
        name, _ = self._own_role(args.roleId)
        if args.newName != name:
            self._check_name(args.newName)
        granted = tuple(dict.fromkeys((*_SYSTEM, *args.privIds)))
        self._roles[args.roleId] = (args.newName, granted)
        self._changed()

    @soap_method("RemoveAuthorizationRole")
    def remove_role(self, call: Call, args: Any) -> None:
        self._own_role(args.roleId)
        del self._roles[args.roleId]
        self._changed()

    def _own_role(self, key: int) -> tuple[str, tuple[str, ...]]:
        if key not in self._roles:
            raise vim.fault.NotFound(msg=f"There is no role {key} that can be changed.")
        return self._roles[key]

    def _check_name(self, name: str) -> None:
        names = [role.name for role in self.prop_roleList()]
        if name in names:
            raise vim.fault.AlreadyExists(name=name, msg=f"The role {name} exists already.")

    # permissions ----------------------------------------------------------------------------

    @soap_method("RetrieveEntityPermissions")
    def entity_permissions(self, call: Call, args: Any) -> list[Any]:
        root = self.center.root_folder.ref
        if not args.inherited and args.entity._moId != root._moId:
            return []
        return self._permissions()

    @soap_method("RetrieveAllPermissions")
    def all_permissions(self, call: Call, args: Any) -> list[Any]:
        return self._permissions()

    @soap_method("RetrieveRolePermissions")
    def role_permissions(self, call: Call, args: Any) -> list[Any]:
        if args.roleId not in [role.roleId for role in self.prop_roleList()]:
            raise vim.fault.NotFound(msg=f"There is no role {args.roleId}.")
        return self._permissions() if args.roleId == ADMIN else []

    def _permissions(self) -> list[Any]:
        return [
            vim.AuthorizationManager.Permission(
                entity=self.center.root_folder.ref,
                principal=self.center.config.username,
                group=False,
                roleId=ADMIN,
                propagate=True,
            )
        ]

    @soap_method("HasPrivilegeOnEntity")
    def has_privilege(self, call: Call, args: Any) -> list[bool]:
        self._check_session(args.sessionId)
        return [True] * len(args.privId)

    @soap_method("HasPrivilegeOnEntities")
    def has_privileges(self, call: Call, args: Any) -> list[Any]:
        self._check_session(args.sessionId)
        return [_granted(entity, args.privId, True) for entity in args.entity]

    @soap_method("HasUserPrivilegeOnEntities")
    def user_has_privileges(self, call: Call, args: Any) -> list[Any]:
        granted = self._is_administrator(args.userName)
        return [_granted(entity, args.privId, granted) for entity in args.entities]

    @soap_method("FetchUserPrivilegeOnEntities")
    def fetch_privileges(self, call: Call, args: Any) -> list[Any]:
        granted = list(privileges()) if self._is_administrator(args.userName) else []
        return [
            vim.AuthorizationManager.UserPrivilegeResult(entity=entity, privileges=granted)
            for entity in args.entities
        ]

    def _is_administrator(self, name: str) -> bool:
        return name.lower() == self.center.config.username.lower()

    def _check_session(self, key: str) -> None:
        if self.center.sessions.find(key) is None:
            raise vim.fault.NotAuthenticated(
                object=self.ref, privilegeId="System.View", msg="There is no such session."
            )


def _role(key: int, name: str, summary: str, granted: tuple[str, ...], system: bool) -> Any:
    return vim.AuthorizationManager.Role(
        roleId=key,
        system=system,
        name=name,
        info=vim.Description(label=name, summary=summary),
        privilege=list(granted),
    )


def _granted(entity: Any, names: list[str], granted: bool) -> Any:
    return vim.AuthorizationManager.EntityPrivilege(
        entity=entity,
        privAvailability=[
            vim.AuthorizationManager.PrivilegeAvailability(privId=name, isGranted=granted) for name in names
        ],
    )
