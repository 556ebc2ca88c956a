"""The base of every managed object on the server's side."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, ClassVar, Self, TypeVar

from viaduct_lab.vcenter.core.types import Ref, VimType

if TYPE_CHECKING:
    from viaduct_lab.vcenter.core.center import VCenter

Handler = TypeVar("Handler", bound=Callable[..., Any])


def soap_method(wsdl_name: str) -> Callable[[Handler], Handler]:
    """Mark a method as the handler of a SOAP method, e.g. ``@soap_method("CreateFolder")``.

    The handler is called as ``handler(self, call, args)``, ``args`` being an object with one attribute per
    parameter (unset ones are None, unset arrays empty). It may be ``async``. It returns the
    result as pyVmomi data, or raises a pyVmomi fault.
    """

    def mark(handler: Handler) -> Handler:
        handler.__dict__["soap_name"] = wsdl_name
        return handler

    return mark


def task_method(
    wsdl_name: str, *, cancelable: bool = False, exclusive: bool = False
) -> Callable[[Handler], Handler]:
    """Mark an ``async`` method as the body of a ``…_Task`` method.

    The body is called as ``await body(self, call, args, task)`` after the client has got the task. What it
    returns is the task's result; a pyVmomi fault that it raises becomes the task's error. ``exclusive``
    tasks of one object run one after another; others run side by side.
    ``task`` is a :class:`viaduct_lab.vcenter.core.tasks.TaskRun` (progress, cancellation).
    """

    def mark(body: Handler) -> Handler:
        body.__dict__["soap_name"] = wsdl_name
        body.__dict__["soap_task"] = True
        body.__dict__["soap_cancelable"] = cancelable
        body.__dict__["soap_exclusive"] = exclusive
        return body

    return mark


class ManagedObject:
    """One managed object.

    A subclass sets ``vim_type`` (the pyVmomi class) and offers

    - properties as methods ``prop_<name>(self)`` that return pyVmomi data or None (unset). They project
      the object's small state on demand; results are cached as XML until :meth:`changed`;
    - SOAP methods with :func:`soap_method` and :func:`task_method`.

    A kind whose ``persistent`` is true is written to the database whenever it has changed, and
    implements :meth:`save` and :meth:`load`.
    """

    vim_type: ClassVar[VimType]
    moid_prefix: ClassVar[str] = ""
    """What generated ids start with, e.g. ``vm`` for ``vm-101``."""
    persistent: ClassVar[bool] = False
    volatile: ClassVar[frozenset[str]] = frozenset()
    """Property names whose value depends on the caller or the clock: never cached."""

    soap_handlers: ClassVar[dict[str, str]] = {}
    """SOAP method name -> attribute name; filled for each class."""

    def __init_subclass__(cls) -> None:
        cls.collect_handlers()

    @classmethod
    def collect_handlers(cls) -> None:
        """Find the SOAP handlers of the class and its subclasses anew."""
        handlers: dict[str, str] = {}
        for base in reversed(cls.__mro__):
            for name, value in vars(base).items():
                soap_name = getattr(value, "soap_name", None)
                if isinstance(soap_name, str):
                    handlers[soap_name] = name
        cls.soap_handlers = handlers
        for subclass in cls.__subclasses__():
            subclass.collect_handlers()

    def __init__(self, center: VCenter, moid: str) -> None:
        self.center = center
        self.moid = moid
        self.ref: Ref = self.vim_type(moid)
        self.xml_cache: dict[tuple[str, str], str] = {}
        """(property path, API version) -> XML; owned by the property evaluation."""

    def __repr__(self) -> str:
        return f"<{self.vim_type._wsdlName} {self.moid}>"

    @property
    def type_name(self) -> str:
        """The type's name on the wire, e.g. ``VirtualMachine``."""
        name: str = self.vim_type._wsdlName
        return name

    # properties -----------------------------------------------------------------------------

    def read(self, name: str) -> Any:
        """The present value of the property ``name``; None when unset or not provided by the kind."""
        getter = getattr(self, "prop_" + name, None)
        return getter() if getter is not None else None

    def changed(self, *names: str) -> None:
        """Tell that the properties ``names`` (all, if none is given) may have new values.

        Clients that wait are woken after the current call or task step, and a persistent
        object will be written. ``names`` are root names: ``config``, not ``config.extraConfig``.
        """
        self.notify(*names)
        self.dirty()

    def notify(self, *names: str) -> None:
        """Like :meth:`changed`, for properties that are not part of the saved state."""
        if not names:
            self.xml_cache.clear()
        elif self.xml_cache:
            for key in [k for k in self.xml_cache if root_name(k[0]) in names]:
                del self.xml_cache[key]
        self.center.journal.record(self.moid, names)

    # persistence ----------------------------------------------------------------------------

    def dirty(self) -> None:
        """Have the object written at the next flush, without telling clients of a change."""
        if self.persistent:
            self.center.store.mark(self)

    def save(self) -> dict[str, Any]:
        """The state to be kept, as JSON data. pyVmomi data goes in as ``codec.dump(value)``."""
        raise NotImplementedError(f"{type(self).__name__} is persistent but has no save()")

    @classmethod
    def load(cls, center: VCenter, moid: str, state: dict[str, Any]) -> Self:
        """The object of a saved state. Other objects may not exist yet: see :meth:`restored`."""
        raise NotImplementedError(f"{cls.__name__} is persistent but has no load()")

    def restored(self) -> None:
        """Called once after a start, when all saved objects are in the registry: rebuild relations."""

    # relations ------------------------------------------------------------------------------

    def related(self, relation: str) -> None:
        """Called when a source of ``relation`` that points here has come or gone.

        Override to call :meth:`changed` for the properties that show it.
        """

    def sources(self, relation: str) -> list[ManagedObject]:
        """The objects that point here by ``relation``, in the order in which they came."""
        registry = self.center.registry
        moids = self.center.relations.sources(self.moid, relation)
        return [obj for moid in moids if (obj := registry.get(moid)) is not None]

    def removed(self) -> None:
        """Called when the object has left the registry: release what it holds."""


def root_name(path: str) -> str:
    """The property that a path starts with: ``config`` of ``config.extraConfig["a.b"]``."""
    for index, char in enumerate(path):
        if char in ".[":
            return path[:index]
    return path


def refs(objects: Iterable[ManagedObject]) -> list[Ref]:
    """The references of ``objects``."""
    return [obj.ref for obj in objects]
