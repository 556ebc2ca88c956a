"""The vCenter as a whole: what every part of the server reaches the others through."""

from __future__ import annotations

import asyncio
import sys
import traceback
import uuid
from collections import Counter
from collections.abc import Coroutine
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from viaduct_lab.config import VCenterConfig
from viaduct_lab.vcenter.core.context import Call, current_call
from viaduct_lab.vcenter.core.events import EventLog
from viaduct_lab.vcenter.core.fault_injection import FaultInjection
from viaduct_lab.vcenter.core.journal import Journal
from viaduct_lab.vcenter.core.managed_entity import ManagedEntity
from viaduct_lab.vcenter.core.naming import Naming
from viaduct_lab.vcenter.core.registry import Registry
from viaduct_lab.vcenter.core.relations import Relations
from viaduct_lab.vcenter.core.sessions import Sessions
from viaduct_lab.vcenter.core.store import Store
from viaduct_lab.vcenter.core.tasks import Tasks
from viaduct_lab.vcenter.core.types import vim

if TYPE_CHECKING:
    from viaduct_lab.vcenter.kinds.folder import Folder

ROOT_FOLDER = "group-d1"


class VCenter:
    """Holds the parts together; has next to no behaviour of its own."""

    def __init__(self, config: VCenterConfig, store: Store, thumbprint: str = "") -> None:
        """``thumbprint``: SHA-1 of the server's certificate, ``AA:BB:...``."""
        self.config = config
        self.store = store
        self.thumbprint = thumbprint
        self.journal = Journal()
        self.relations = Relations(self._relation_changed)
        self.registry = Registry(self)
        self.naming = Naming()
        self.events = EventLog(self)
        self.tasks = Tasks(self)
        self.sessions = Sessions(self, config.username, config.password_file.read_text().strip())
        self.injected = FaultInjection()
        self.call_counts: Counter[str] = Counter()
        self.services: dict[str, Any] = {}
        self.instance_uuid = store.meta("instance_uuid") or str(uuid.uuid4())
        store.set_meta("instance_uuid", self.instance_uuid)
        self.started = self.now()
        self._content: Any = None
        self._background: set[asyncio.Task[Any]] = set()

    # the parts ------------------------------------------------------------------------------

    @property
    def content(self) -> Any:
        """``ServiceContent``: the references to all managers."""
        return self._content

    @content.setter
    def content(self, value: Any) -> None:
        self._content = value

    @property
    def root_folder(self) -> Folder:
        """The root of the inventory."""
        from viaduct_lab.vcenter.kinds.folder import Folder

        return self.registry.find(vim.Folder(ROOT_FOLDER), Folder)

    # time and transactions ------------------------------------------------------------------

    def now(self) -> datetime:
        """The present time, in UTC."""
        return datetime.now(UTC)

    def commit(self) -> None:
        """Write what has changed in one transaction, then wake the clients that wait for it."""
        self.store.flush()
        self.journal.publish()

    def spawn(self, work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        """Run ``work`` in the background; it is cancelled when the server stops.

        What it raises is printed to stderr.
        """
        job = asyncio.get_running_loop().create_task(work)
        self._background.add(job)
        job.add_done_callback(self._background_done)
        return job

    async def stop_background(self) -> None:
        """Cancel background work and running tasks."""
        jobs = list(self._background)
        for job in jobs:
            job.cancel()
        await asyncio.gather(*jobs, return_exceptions=True)
        await self.tasks.close()

    def _background_done(self, job: asyncio.Task[Any]) -> None:
        self._background.discard(job)
        if not job.cancelled() and (error := job.exception()) is not None:
            traceback.print_exception(error, file=sys.stderr)

    # small services of several kinds --------------------------------------------------------

    def base_url(self, call: Call | None = None) -> str:
        """``https://host[:port]`` as the client of ``call`` reaches us (without one: our own address)."""
        call = call if call is not None else current_call.get()
        if call is not None and call.host:
            return f"https://{call.host}"
        port = "" if self.config.port == 443 else f":{self.config.port}"
        return f"https://{self.config.addresses[0]}{port}"

    def custom_fields_for(self, entity: ManagedEntity) -> list[Any]:
        """The definitions of custom fields that apply to ``entity``."""
        manager: Any = self.registry.get("CustomFieldsManager")
        return [] if manager is None else list(manager.fields_for(entity))

    def task_manager_changed(self) -> None:
        """The list of recent tasks has changed."""
        manager = self.registry.get("TaskManager")
        if manager is not None:
            manager.notify("recentTask")

    def event_posted(self) -> None:
        """An event was logged."""
        manager = self.registry.get("EventManager")
        if manager is not None:
            manager.notify("latestEvent")

    def _relation_changed(self, source: str, target: str, relation: str) -> None:
        obj = self.registry.get(target)
        if obj is not None:
            obj.related(relation)
        if relation in ("vm.host", "vm.resourcePool"):
            vm = self.registry.get(source)
            if isinstance(vm, ManagedEntity):
                self.registry.tree_changed(vm)
