"""Names of inventory entities."""

from __future__ import annotations

from viaduct_lab.vcenter.core import faults
from viaduct_lab.vcenter.core.managed_entity import ManagedEntity
from viaduct_lab.vcenter.core.types import vim

MAX_NAME = 80
"""vCenter's limit on the length of an entity's name, in characters."""

_ESCAPES = {"%2f": "/", "%2F": "/", "%5c": "\\", "%5C": "\\", "%25": "%"}


def plain_name(name: str) -> str:
    """A name as a client wrote it, with vCenter's three escapes resolved."""
    result, index = [], 0
    while index < len(name):
        piece = name[index : index + 3]
        if piece in _ESCAPES:
            result.append(_ESCAPES[piece])
            index += 3
        else:
            result.append(name[index])
            index += 1
    return "".join(result)


class Naming:
    """Checks the names that clients give."""

    def checked(
        self, entity: ManagedEntity | None, name: str | None, parent: ManagedEntity | None = None
    ) -> str:
        """The plain form of ``name`` for ``entity`` (None: one to be created) under ``parent``.

        ``parent`` defaults to the entity's present one. Raises ``InvalidName`` or ``DuplicateName``.
        """
        plain = plain_name(name or "")
        if not plain.strip() or len(plain) > MAX_NAME:
            raise vim.fault.InvalidName(
                name=name or "",
                entity=entity.ref if entity is not None else None,
                msg=f"The name '{name or ''}' is not valid.",
            )
        above = parent if parent is not None else (entity.parent if entity is not None else None)
        for sibling in above.children() if above is not None else ():
            if sibling is not entity and sibling.name == plain:
                raise faults.duplicate_name(name or "", sibling.ref)
        return plain
