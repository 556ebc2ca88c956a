"""Reading properties in bulk: one RetrievePropertiesEx for all objects, never one call per object."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

from pyVmomi import vim, vmodl

from viaduct.vsphere.session import Session

_Collector = vmodl.query.PropertyCollector
_PAGE = 500


@dataclass(frozen=True)
class Row:
    """One object's properties by path; unset and unreadable ones are absent."""

    reference: Any
    values: Mapping[str, Any]

    @property
    def moid(self) -> str:
        return str(self.reference._moId)

    @property
    def name(self) -> str:
        """The object's name as people write it: vCenter keeps ``/``, ``\\`` and ``%`` escaped."""
        return unquote(self.values.get("name", ""))

    def get(self, path: str, default: Any = None) -> Any:
        return self.values.get(path, default)


def below(session: Session, container: Any, kinds: Mapping[type[Any], Sequence[str]]) -> list[Row]:
    """Properties of all objects of ``kinds`` (type -> paths) anywhere below ``container``.

    Give kinds that do not inherit from each other: vCenter applies one set of paths to an object.
    """
    try:
        return _below(session, container, kinds)
    except vmodl.fault.ManagedObjectNotFound as missing:
        # The view belongs to the session: a session that was dropped in between took the view along.
        if not isinstance(missing.obj, vim.view.ContainerView):
            raise
        return _below(session, container, kinds)


def of(session: Session, objects: Iterable[Any], kind: type[Any], paths: Sequence[str]) -> list[Row]:
    """Properties of these objects of one kind. Objects that are gone are left out."""
    chosen = [_Collector.ObjectSpec(obj=o, skip=False) for o in objects]
    if not chosen:
        return []
    spec = _Collector.FilterSpec(
        objectSet=chosen, propSet=[_properties(kind, paths)], reportMissingObjectsInResults=True
    )
    return _retrieve(session, spec)


def one(session: Session, object_: Any, paths: Sequence[str]) -> Row | None:
    """Properties of one object; None when it is gone."""
    try:
        rows = of(session, [object_], type(object_), paths)
    except vmodl.fault.ManagedObjectNotFound:
        return None
    return rows[0] if rows else None


def _below(session: Session, container: Any, kinds: Mapping[type[Any], Sequence[str]]) -> list[Row]:
    view = session.content.viewManager.CreateContainerView(container, list(kinds), True)
    try:
        through = _Collector.TraversalSpec(name="view", type=vim.view.ContainerView, path="view", skip=False)
        spec = _Collector.FilterSpec(
            objectSet=[_Collector.ObjectSpec(obj=view, skip=True, selectSet=[through])],
            propSet=[_properties(kind, paths) for kind, paths in kinds.items()],
        )
        return _retrieve(session, spec)
    finally:
        _destroy(view)


def _destroy(view: Any) -> None:
    with suppress(vmodl.fault.ManagedObjectNotFound):
        view.DestroyView()


def _properties(kind: type[Any], paths: Sequence[str]) -> Any:
    return _Collector.PropertySpec(type=kind, pathSet=list(paths), all=False)


def _retrieve(session: Session, spec: Any) -> list[Row]:
    collector = session.content.propertyCollector
    options = _Collector.RetrieveOptions(maxObjects=_PAGE)
    result = collector.RetrievePropertiesEx([spec], options)
    rows: list[Row] = []
    while result is not None:
        rows += [Row(o.obj, {p.name: p.val for p in o.propSet}) for o in result.objects]
        if not result.token:
            break
        result = collector.ContinueRetrievePropertiesEx(result.token)
    return rows
