"""Control of the lab, on a Unix socket: not part of vCenter's protocol.

=================== ==========================================================================
``GET /health``      is it up, since when, how many objects and sessions
``GET /inventory``   all inventory entities: moid, type, name, path, parent
``GET /calls``       SOAP calls by method since the start or the last reset
``POST /calls/reset``
``GET /faults``      ordered failures that are still to come
``POST /faults``     ``{"method", "fault", "message", "times", "in_task"}``: fail calls, or their tasks
``DELETE /faults``   forget them
``POST /sessions/drop``  end all sessions, as a restart of vCenter does
=================== ==========================================================================
"""

from __future__ import annotations

import json
from typing import Any

from aiohttp import web

from viaduct_lab.vcenter.core.center import VCenter
from viaduct_lab.vcenter.core.managed_entity import ManagedEntity


class Control:
    """The handlers."""

    def __init__(self, center: VCenter) -> None:
        self._center = center

    async def health(self, request: web.Request) -> web.Response:
        """State of the server."""
        return web.json_response(
            {
                "status": "ok",
                "started": self._center.started.isoformat(),
                "instance_uuid": self._center.instance_uuid,
                "objects": len(self._center.registry),
                "sessions": sum(1 for _ in self._center.sessions),
            }
        )

    async def inventory(self, request: web.Request) -> web.Response:
        """All entities."""
        found = self._center.registry.of_kind(ManagedEntity)
        return web.json_response([_describe(entity) for entity in found])

    async def calls(self, request: web.Request) -> web.Response:
        """Calls by method."""
        return web.json_response(dict(sorted(self._center.call_counts.items())))

    async def reset_calls(self, request: web.Request) -> web.Response:
        """Count from zero."""
        self._center.call_counts.clear()
        return web.json_response({})

    async def faults(self, request: web.Request) -> web.Response:
        """Ordered failures."""
        return web.json_response(self._center.injected.pending())

    async def order_fault(self, request: web.Request) -> web.Response:
        """Order a failure."""
        try:
            order = await request.json()
            self._center.injected.order(
                str(order["method"]),
                str(order["fault"]),
                str(order.get("message", "")),
                int(order.get("times", 1)),
                in_task=bool(order.get("in_task", False)),
            )
        except (json.JSONDecodeError, KeyError, TypeError, ValueError) as error:
            return web.json_response({"error": f"{type(error).__name__}: {error}"}, status=400)
        return web.json_response(self._center.injected.pending())

    async def clear_faults(self, request: web.Request) -> web.Response:
        """Forget ordered failures."""
        self._center.injected.clear()
        return web.json_response({})

    async def drop_sessions(self, request: web.Request) -> web.Response:
        """End all sessions."""
        dropped = self._center.sessions.drop_all()
        self._center.commit()
        return web.json_response({"dropped": dropped})


def control_application(center: VCenter) -> web.Application:
    """The application for the control socket."""
    control = Control(center)
    app = web.Application()
    app.add_routes(
        [
            web.get("/health", control.health),
            web.get("/inventory", control.inventory),
            web.get("/calls", control.calls),
            web.post("/calls/reset", control.reset_calls),
            web.get("/faults", control.faults),
            web.post("/faults", control.order_fault),
            web.delete("/faults", control.clear_faults),
            web.post("/sessions/drop", control.drop_sessions),
        ]
    )
    return app


def _describe(entity: ManagedEntity) -> dict[str, Any]:
    above = [each.name for each in entity.ancestors()][:-1]
    return {
        "moid": entity.moid,
        "type": entity.type_name,
        "name": entity.name,
        "parent": entity.parent_moid,
        "path": "/" + "/".join([*reversed(above), entity.name]) if entity.parent_moid else "/",
    }
