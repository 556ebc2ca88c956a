"""Merging what a client sent of a data object into what is known of it."""

from __future__ import annotations

import copy
from typing import Any

from viaduct_lab.vcenter.core.types import support, vim

# Data that only makes sense as a whole: a part that is left out is unset, not unchanged.
_WHOLE: tuple[Any, ...] = (
    vim.dvs.PortConnection,
    vim.dvs.DistributedVirtualPort,
    vim.SharesInfo,
)
# Required numbers: a client that leaves them out sends 0.
_ZERO_IS_UNSET = frozenset({"capacityInKB", "busNumber"})


def merge(old: Any, new: Any) -> Any:
    """A copy of ``old`` with every property that is set in ``new``.

    ``old`` stays as it is. A nested object of the same type is merged, another one replaces.
    """
    if type(old) is not type(new) and not isinstance(old, type(new)):
        return copy.deepcopy(new)
    merged = copy.deepcopy(old)
    for info in new._GetPropertyList():
        value = getattr(new, info.name)
        if value is None or (isinstance(value, list) and not value):
            continue
        if info.name in _ZERO_IS_UNSET and value == 0:
            continue
        known = getattr(merged, info.name)
        nested = isinstance(value, support.DataObject) and isinstance(known, support.DataObject)
        if nested and not isinstance(value, _WHOLE):
            value = merge(known, value)
        setattr(merged, info.name, copy.deepcopy(value))
    return merged
