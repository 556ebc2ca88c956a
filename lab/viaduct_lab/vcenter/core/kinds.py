"""Registration: which class implements which managed object type, and what runs at start."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, TypeVar

from viaduct_lab.vcenter.core.managed_object import ManagedObject, soap_method, task_method

if TYPE_CHECKING:
    from viaduct_lab.vcenter.core.center import VCenter

KindClass = TypeVar("KindClass", bound=type[ManagedObject])
Hook = Callable[["VCenter"], Awaitable[None] | None]
HookT = TypeVar("HookT", bound=Hook)
Function = TypeVar("Function", bound=Callable[..., Any])

_kinds: dict[str, type[ManagedObject]] = {}
_extensions: list[tuple[str, str, Callable[..., Any]]] = []
_hooks: dict[str, list[tuple[int, Hook]]] = {"build": [], "start": [], "stop": []}


def kind(cls: KindClass) -> KindClass:
    """Class decorator: ``cls`` implements the type ``cls.vim_type``."""
    name = cls.vim_type._wsdlName
    if name in _kinds and _kinds[name] is not cls:
        raise ValueError(f"{name} is implemented by both {_kinds[name]} and {cls}")
    _kinds[name] = cls
    return cls


def kind_named(name: str) -> type[ManagedObject] | None:
    """The class that implements the type with this wire name, if one is registered."""
    return _kinds.get(name)


def all_kinds() -> list[type[ManagedObject]]:
    """The registered classes, by the wire name of their types."""
    return [_kinds[name] for name in sorted(_kinds)]


def extend(
    type_name: str,
    wsdl_name: str,
    *,
    task: bool = False,
    cancelable: bool = False,
    exclusive: bool = False,
) -> Callable[[Function], Function]:
    """Add a SOAP method to a kind that another module owns.

    The function gets the object as its first argument and is otherwise written as for ``soap_method``
    or, with ``task``, ``task_method``.
    """

    def register(function: Function) -> Function:
        if task:
            mark = task_method(wsdl_name, cancelable=cancelable, exclusive=exclusive)
        else:
            mark = soap_method(wsdl_name)
        mark(function)
        _extensions.append((type_name, f"soap_{wsdl_name}", function))
        return function

    return register


def extend_property(type_name: str, name: str) -> Callable[[Function], Function]:
    """Add a property to a kind that another module owns: the function gets the object."""

    def register(function: Function) -> Function:
        _extensions.append((type_name, f"prop_{name}", function))
        return function

    return register


def on_build(order: int) -> Callable[[HookT], HookT]:
    """Run ``hook(center)`` when the first inventory is built (``center.config.inventory``).

    Core: 10 datacenter with its folders, 20 clusters, hosts and resource pools. Storage: 30 datastores;
    40 switch and port groups. A hook may be async.
    """
    return _add("build", order)


def on_start(order: int) -> Callable[[HookT], HookT]:
    """Run ``hook(center)`` at every start, after the inventory was loaded or built."""
    return _add("start", order)


def on_stop(order: int) -> Callable[[HookT], HookT]:
    """Run ``hook(center)`` at an orderly end (not after kill -9)."""
    return _add("stop", order)


def hooks(moment: str) -> list[Hook]:
    """The hooks of ``build``, ``start`` or ``stop`` in their order."""
    return [hook for _, hook in sorted(_hooks[moment], key=lambda pair: pair[0])]


def discover() -> None:
    """Import every module of ``vcenter.kinds``, so that all kinds and hooks are registered."""
    package = importlib.import_module("viaduct_lab.vcenter.kinds")
    for module in sorted(info.name for info in pkgutil.iter_modules(package.__path__)):
        importlib.import_module(f"{package.__name__}.{module}")
    while _extensions:
        type_name, attribute, function = _extensions.pop()
        owner = _kinds.get(type_name)
        if owner is None:
            raise ValueError(f"{attribute} extends {type_name}, which no kind implements")
        setattr(owner, attribute, function)
        owner.collect_handlers()


def _add(moment: str, order: int) -> Callable[[HookT], HookT]:
    def register(hook: HookT) -> HookT:
        _hooks[moment].append((order, hook))
        return hook

    return register
