"""Names that Viaduct gives to things in vCenter, and the nearest of names that exist."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

from viaduct.model.site import Site


def folder_of(site: Site, cloud: str) -> str:
    """The VM folder of a cloud, below the datacenter's VM folder."""
    return f"{site.management.folder}/{cloud}"


def levels(path: str) -> tuple[str, ...]:
    """A folder's path and those above it, the uppermost first: ``a/b`` gives ``a``, ``a/b``."""
    parts = path.split("/")
    return tuple("/".join(parts[: end + 1]) for end in range(len(parts)))


def vm_name(cloud: str, node: str) -> str:
    """The name of a node's VM."""
    return f"{cloud}-{node}"


def nearest(name: str, known: Iterable[str], limit: int = 5) -> str:
    """A sentence that offers the names most like ``name``, or says what there is."""
    names = sorted(known)
    if not names:
        return "vCenter shows none to this account; check its permissions."
    by_case = {candidate.lower(): candidate for candidate in names}
    near = difflib.get_close_matches(name.lower(), by_case, n=1, cutoff=0.6)
    if near:
        return f"Did you mean '{by_case[near[0]]}'?"
    shown = ", ".join(f"'{candidate}'" for candidate in names[:limit])
    more = f" and {len(names) - limit} more" if len(names) > limit else ""
    return f"vCenter has: {shown}{more}."
