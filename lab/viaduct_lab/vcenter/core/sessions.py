"""Sessions, and the one-time tickets that let a session's HTTP transfers in."""

from __future__ import annotations

import hmac
import secrets
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from viaduct_lab.vcenter.core.managed_object import ManagedObject
from viaduct_lab.vcenter.core.types import vim

if TYPE_CHECKING:
    from viaduct_lab.vcenter.core.center import VCenter

IDLE_SECONDS = 30 * 60.0
"""vCenter's default: a session without calls ends after half an hour."""
TICKET_SECONDS = 120.0


@dataclass(eq=False)
class Session:
    """One login. ``key`` is also the value of its cookie."""

    key: str
    user_name: str
    login_time: datetime
    client_address: str = ""
    user_agent: str = ""
    locale: str = "en"
    last_active: datetime = field(init=False)
    last_active_tick: float = field(default_factory=time.monotonic)
    call_count: int = 0
    waiting: int = 0
    """Calls being answered now; a session in the middle of a long poll is not idle."""
    owned: dict[str, ManagedObject] = field(default_factory=dict)
    on_end: list[Callable[[], None]] = field(default_factory=list)
    """Called when the session ends."""

    def __post_init__(self) -> None:
        self.last_active = self.login_time

    def own(self, obj: ManagedObject) -> None:
        """Have ``obj`` removed from the registry when the session ends."""
        self.owned[obj.moid] = obj

    def disown(self, obj: ManagedObject) -> None:
        """End :meth:`own`."""
        self.owned.pop(obj.moid, None)


@dataclass(frozen=True)
class _Ticket:
    session: Session
    method: str
    path: str
    expires: float


class Sessions:
    """All sessions of this vCenter."""

    def __init__(self, center: VCenter, user_name: str, password: str) -> None:
        self._center = center
        self._user_name = user_name
        self._password = password
        self._sessions: dict[str, Session] = {}
        self._tickets: dict[str, _Ticket] = {}
        self.idle_seconds = IDLE_SECONDS

    def __iter__(self) -> Iterator[Session]:
        return iter(tuple(self._sessions.values()))

    def check_password(self, user_name: str, password: str) -> bool:
        """Whether the credentials are right. User names compare without regard to case."""
        same_name = hmac.compare_digest(user_name.strip().lower().encode(), self._user_name.lower().encode())
        return hmac.compare_digest(password.encode(), self._password.encode()) and same_name

    def login(
        self, user_name: str, password: str, *, client_address: str = "", user_agent: str = ""
    ) -> Session:
        """Begin a session. Raises ``InvalidLogin``."""
        if not self.check_password(user_name, password):
            raise vim.fault.InvalidLogin(
                msg="Cannot complete login due to an incorrect user name or password."
            )
        self.expire()
        session = Session(str(uuid.uuid4()), user_name, self._center.now(), client_address, user_agent)
        self._sessions[session.key] = session
        return session

    def find(self, key: str) -> Session | None:
        """The session with this key, unless it has been idle too long."""
        session = self._sessions.get(key)
        if session is not None and self._idle(session):
            self.end(session)
            return None
        return session

    def touch(self, session: Session) -> None:
        """Count a call of the session."""
        session.last_active = self._center.now()
        session.last_active_tick = time.monotonic()
        session.call_count += 1

    def end(self, session: Session) -> None:
        """End a session and remove what it owns."""
        self._sessions.pop(session.key, None)
        self._tickets = {k: t for k, t in self._tickets.items() if t.session is not session}
        for obj in list(session.owned.values()):
            self._center.registry.remove(obj)
        session.owned.clear()
        for notify in session.on_end:
            notify()
        session.on_end.clear()

    def drop_all(self) -> int:
        """End all sessions, as a restart of vCenter would. Returns how many there were."""
        sessions = list(self._sessions.values())
        for session in sessions:
            self.end(session)
        return len(sessions)

    def expire(self) -> None:
        """End the sessions that have been idle too long."""
        for session in list(self._sessions.values()):
            if self._idle(session):
                self.end(session)

    def issue_ticket(self, session: Session, method: str, url: str) -> str:
        """A ticket that admits one HTTP request of ``method`` (``httpPut``, ``PUT``) to ``url``."""
        now = time.monotonic()
        self._tickets = {k: t for k, t in self._tickets.items() if t.expires > now}
        ticket = secrets.token_urlsafe(24)
        verb = method.lower().removeprefix("http")
        self._tickets[ticket] = _Ticket(session, verb, _path(url), now + TICKET_SECONDS)
        return ticket

    def redeem_ticket(self, ticket: str, method: str, url: str) -> Session | None:
        """The session behind ``ticket`` if it is good for this request; it is used up by that."""
        found = self._tickets.get(ticket)
        if found is None or found.expires < time.monotonic():
            return None
        if found.method not in ("", method.lower()) or found.path != _path(url):
            return None
        del self._tickets[ticket]
        return found.session

    def _idle(self, session: Session) -> bool:
        if session.waiting:
            return False
        return time.monotonic() - session.last_active_tick > self.idle_seconds


def _path(url: str) -> str:
    return unquote(urlsplit(url).path)
