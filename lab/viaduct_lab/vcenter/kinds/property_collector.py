"""PropertyCollector and PropertyFilter."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from viaduct_lab.vcenter.core import faults
from viaduct_lab.vcenter.core.collector import CollectorState, limits
from viaduct_lab.vcenter.core.context import Call, current_call
from viaduct_lab.vcenter.core.kinds import kind
from viaduct_lab.vcenter.core.managed_object import ManagedObject, soap_method
from viaduct_lab.vcenter.core.property_filter import FilterEngine, object_content
from viaduct_lab.vcenter.core.selection import PropertyPlan, Selector
from viaduct_lab.vcenter.core.sessions import Session
from viaduct_lab.vcenter.core.types import Ref, vmodl
from viaduct_lab.vcenter.soap.dispatch import RawResult

if TYPE_CHECKING:
    from viaduct_lab.vcenter.core.center import VCenter

_Collector: Any = vmodl.query.PropertyCollector


@kind
class PropertyCollector(ManagedObject):
    """Reads properties, once or as they change.

    There is the default one, ``propertyCollector``, whose state is per session, and those that
    ``CreatePropertyCollector`` makes, which belong to a session.
    """

    vim_type = _Collector
    volatile = frozenset({"filter"})

    def __init__(self, center: VCenter, moid: str) -> None:
        super().__init__(center, moid)
        self._states: WeakKeyDictionary[Session, CollectorState] = WeakKeyDictionary()
        self._pages: WeakKeyDictionary[Session, dict[str, tuple[list[Any], int]]] = WeakKeyDictionary()

    def prop_filter(self) -> list[Ref]:
        call = current_call.get()
        if call is None or call.session is None:
            return []
        return [PropertyFilter.vim_type(moid) for moid in self.state(call.session).filters]

    def state(self, session: Session) -> CollectorState:
        """The collector's state in ``session``."""
        found = self._states.get(session)
        if found is None:
            found = self._states[session] = CollectorState()
            session.on_end.append(lambda: self.drop_session(session))
        return found

    def drop_session(self, session: Session) -> None:
        """Forget the state of an ended session."""
        state = self._states.pop(session, None)
        if state is not None:
            state.close()

    def removed(self) -> None:
        for state in list(self._states.values()):
            state.close()

    # reading once ---------------------------------------------------------------------------

    @soap_method("RetrieveProperties")
    def retrieve(self, call: Call, args: Any) -> RawResult:
        return RawResult(object_content("returnval", self._rows(args.specSet), call.serializer))

    @soap_method("RetrievePropertiesEx")
    def retrieve_ex(self, call: Call, args: Any) -> RawResult:
        limit = args.options.maxObjects if args.options is not None else None
        if limit is not None and limit < 1:
            raise faults.invalid_argument("options.maxObjects")
        return self._page(call, self._rows(args.specSet), limit or 0)

    @soap_method("ContinueRetrievePropertiesEx")
    def continue_retrieve(self, call: Call, args: Any) -> RawResult:
        rows, limit = self._take_page(call, args.token)
        return self._page(call, rows, limit)

    @soap_method("CancelRetrievePropertiesEx")
    def cancel_retrieve(self, call: Call, args: Any) -> None:
        self._take_page(call, args.token)

    def _rows(self, spec_set: list[Any]) -> list[tuple[ManagedObject, tuple[str, ...]]]:
        rows = []
        for spec in spec_set:
            plan = PropertyPlan(spec.propSet)
            lenient = bool(spec.reportMissingObjectsInResults)
            selected, _ = Selector(self.center.registry, spec.objectSet, lenient=lenient).select()
            for obj in selected.values():
                paths = plan.paths(obj.vim_type)
                if paths is not None:
                    rows.append((obj, paths))
        return rows

    def _page(self, call: Call, rows: list[Any], limit: int) -> RawResult:
        token = ""
        if limit and len(rows) > limit:
            key = str(self.center.store.next_number())
            self._pages.setdefault(call.required_session(), {})[key] = (rows[limit:], limit)
            rows, token = rows[:limit], f"<token>{key}</token>"
        if not rows:
            return RawResult("")
        objects = object_content("objects", rows, call.serializer)
        return RawResult(f"<returnval>{token}{objects}</returnval>")

    def _take_page(self, call: Call, token: str) -> tuple[list[Any], int]:
        pages = self._pages.get(call.required_session(), {})
        if token not in pages:
            raise faults.invalid_argument("token", f"There is no retrieval with token {token}.")
        rows, limit = pages.pop(token)
        registry = self.center.registry
        return [row for row in rows if registry.get(row[0].moid) is row[0]], limit

    # waiting for changes --------------------------------------------------------------------

    @soap_method("CreateFilter")
    def create_filter(self, call: Call, args: Any) -> Ref:
        session = call.required_session()
        state = self.state(session)
        engine = FilterEngine(self.center, args.spec, state.wake)
        moid = f"session[{session.key}]{uuid.uuid4()}"
        made = PropertyFilter(self.center, moid, args.spec, bool(args.partialUpdates), state, session)
        state.filters[moid] = engine
        self.center.registry.add(made)
        session.own(made)
        state.wake()
        return made.ref

    @soap_method("WaitForUpdatesEx")
    async def wait_for_updates_ex(self, call: Call, args: Any) -> RawResult | None:
        seconds, limit = limits(args.options)
        return await self._wait(call, args.version, seconds, limit)

    @soap_method("WaitForUpdates")
    async def wait_for_updates(self, call: Call, args: Any) -> RawResult | None:
        return await self._wait(call, args.version, 1800.0, 1 << 30)

    @soap_method("CheckForUpdates")
    async def check_for_updates(self, call: Call, args: Any) -> RawResult | None:
        return await self._wait(call, args.version, 0.0, 1 << 30)

    @soap_method("CancelWaitForUpdates")
    def cancel_wait(self, call: Call, args: Any) -> None:
        self.state(call.required_session()).cancel()

    async def _wait(self, call: Call, version: str | None, seconds: float, limit: int) -> RawResult | None:
        session = call.required_session()
        state = self.state(session)

        def check() -> None:
            if self.center.sessions.find(session.key) is not session:
                raise faults.not_authenticated(self.ref)
            if self.center.registry.get(self.moid) is not self:
                raise faults.not_found(self.ref)

        answer = await state.wait(version or "", seconds, limit, call.serializer, check)
        return RawResult(answer) if answer is not None else None

    # more collectors ------------------------------------------------------------------------

    @soap_method("CreatePropertyCollector")
    def create_collector(self, call: Call, args: Any) -> Ref:
        session = call.required_session()
        made = PropertyCollector(self.center, f"session[{session.key}]{uuid.uuid4()}")
        self.center.registry.add(made)
        session.own(made)
        return made.ref

    @soap_method("DestroyPropertyCollector")
    def destroy_collector(self, call: Call, args: Any) -> None:
        session = call.required_session()
        if self.moid not in session.owned:
            raise faults.not_supported("The default property collector cannot be destroyed.")
        for moid in list(self.state(session).filters):
            made = self.center.registry.get(moid)
            if made is not None:
                session.disown(made)
                self.center.registry.remove(made)
        session.disown(self)
        self.center.registry.remove(self)


@kind
class PropertyFilter(ManagedObject):
    """One filter of a collector; it lives with its session."""

    vim_type = _Collector.Filter

    def __init__(
        self,
        center: VCenter,
        moid: str,
        spec: Any,
        partial_updates: bool,
        state: CollectorState,
        session: Session,
    ) -> None:
        super().__init__(center, moid)
        self._spec = spec
        self._partial_updates = partial_updates
        self._state = state
        self._session = session

    def prop_spec(self) -> Any:
        return self._spec

    def prop_partialUpdates(self) -> bool:
        return self._partial_updates

    @soap_method("DestroyPropertyFilter")
    def destroy(self, call: Call, args: Any) -> None:
        self._session.disown(self)
        self.center.registry.remove(self)

    def removed(self) -> None:
        engine = self._state.filters.pop(self.moid, None)
        if engine is not None:
            engine.close()
