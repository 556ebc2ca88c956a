"""The state of one property collector in one session: its filters, version and waiting client."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from viaduct_lab.vcenter.core.property_filter import FilterEngine
from viaduct_lab.vcenter.core.types import vmodl
from viaduct_lab.vcenter.soap.serialize import Serializer

DEFAULT_MAX_OBJECT_UPDATES = 1000
"""How many object updates go into one answer when the client names no limit."""


@dataclass(eq=False)
class CollectorState:
    """Filters by moid, and what was last answered.

    ``version`` counts the answers. The last answer is kept, so that a client that has not got it (its
    connection broke) can ask for it again with the version it had before.
    """

    filters: dict[str, FilterEngine] = field(default_factory=dict)
    version: int = 0
    closed: bool = False
    _wake: asyncio.Event = field(default_factory=asyncio.Event)
    _cancelled: bool = False
    _last: tuple[str, str] | None = None
    """(version the client had, answer)."""

    def wake(self) -> None:
        """Let a waiting client look for updates."""
        self._wake.set()

    def cancel(self) -> None:
        """Let a waiting client's call fail with ``RequestCanceled``."""
        self._cancelled = True
        self._wake.set()

    def close(self) -> None:
        """End: the collector or its session is gone."""
        self.closed = True
        for engine in self.filters.values():
            engine.close()
        self.filters.clear()
        self._wake.set()

    async def wait(
        self,
        version: str,
        seconds: float,
        limit: int,
        serializer: Serializer,
        check: Callable[[], None],
    ) -> str | None:
        """The next ``UpdateSet`` after ``version`` as ``returnval``, or None when time is up.

        ``check`` is called after each wake-up and may raise. Raises ``InvalidCollectorVersion`` and
        ``RequestCanceled``.
        """
        repeated = self._begin(version)
        if repeated is not None:
            return repeated
        loop = asyncio.get_running_loop()
        deadline = loop.time() + seconds
        self._cancelled = False
        while True:
            self._wake.clear()
            answer = self._collect(version, limit, serializer)
            if answer is not None:
                return answer
            left = deadline - loop.time()
            if left <= 0:
                return None
            try:
                await asyncio.wait_for(self._wake.wait(), left)
            except TimeoutError:
                return None
            check()
            if self._cancelled:
                raise vmodl.fault.RequestCanceled(msg="The wait for updates was canceled.")

    def _begin(self, version: str) -> str | None:
        if not version:
            for engine in self.filters.values():
                engine.reset()
            self._last = None
        elif self._last is not None and version == self._last[0] and self._last[0] != "":
            return self._last[1]
        elif version != str(self.version):
            raise vmodl.query.InvalidCollectorVersion(
                msg=f"The version {version} is not one that this collector has returned last."
            )
        return None

    def _collect(self, version: str, limit: int, serializer: Serializer) -> str | None:
        sets, left = [], limit
        for moid, engine in list(self.filters.items()):
            if left <= 0:
                break
            updates = engine.updates(serializer, left)
            if updates:
                left -= len(updates)
                sets.append(
                    f'<filterSet><filter type="PropertyFilter">{moid}</filter>{"".join(updates)}</filterSet>'
                )
        if not sets:
            return None
        self.version += 1
        truncated = any(engine.has_updates for engine in self.filters.values())
        answer = (
            f"<returnval><version>{self.version}</version>{''.join(sets)}"
            f"<truncated>{'true' if truncated else 'false'}</truncated></returnval>"
        )
        self._last = (version, answer)
        return answer


def limits(options: Any) -> tuple[float, int]:
    """(seconds to wait, object updates per answer) of a ``WaitOptions``, which may be None.

    Raises ``InvalidArgument`` for negative values.
    """
    seconds = 1800.0
    limit = DEFAULT_MAX_OBJECT_UPDATES
    if options is not None:
        if options.maxWaitSeconds is not None:
            seconds = float(options.maxWaitSeconds)
        if options.maxObjectUpdates is not None:
            limit = int(options.maxObjectUpdates)
    if seconds < 0 or limit < 1:
        raise vmodl.fault.InvalidArgument(invalidProperty="options", msg="WaitOptions must not be negative.")
    return min(seconds, 1800.0), limit
