"""The SOAP call being answered."""

from __future__ import annotations

from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from viaduct_lab.vcenter.core import faults

if TYPE_CHECKING:
    from viaduct_lab.vcenter.core.center import VCenter
    from viaduct_lab.vcenter.core.sessions import Session
    from viaduct_lab.vcenter.soap.serialize import Serializer


@dataclass
class Call:
    """One SOAP call. ``session`` is None only for the few methods open to everyone."""

    center: VCenter
    method: str
    serializer: Serializer
    session: Session | None = None
    operation_id: str = ""
    client_address: str = ""
    user_agent: str = ""
    host: str = ""
    """What the client called us in the HTTP ``Host`` header, e.g. ``10.70.0.1:443``."""
    new_session: Session | None = field(default=None)
    """Set by a login: its key becomes the cookie."""

    @property
    def user(self) -> str:
        """The user's name, or an empty string."""
        return self.session.user_name if self.session is not None else ""

    def required_session(self) -> Session:
        """The session; raises ``NotAuthenticated`` when there is none."""
        if self.session is None:
            raise faults.not_authenticated(None)
        return self.session


current_call: ContextVar[Call | None] = ContextVar("current_call", default=None)
"""The call in whose course code runs; task bodies inherit it."""


def current_user() -> str:
    """The name of the user on whose behalf code runs; empty for vCenter itself."""
    call: Any = current_call.get()
    return call.user if call is not None else ""
