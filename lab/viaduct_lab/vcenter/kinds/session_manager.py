"""SessionManager: logins and tickets."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from viaduct_lab.vcenter.core import faults
from viaduct_lab.vcenter.core.context import Call, current_call
from viaduct_lab.vcenter.core.kinds import kind
from viaduct_lab.vcenter.core.managed_object import ManagedObject, soap_method
from viaduct_lab.vcenter.core.sessions import Session
from viaduct_lab.vcenter.core.types import vim


@kind
class SessionManager(ManagedObject):
    """Sessions as clients see them."""

    vim_type = vim.SessionManager
    volatile = frozenset({"currentSession", "sessionList"})

    def prop_currentSession(self) -> Any:
        call = current_call.get()
        if call is None or call.session is None:
            return None
        return user_session(call.session)

    def prop_sessionList(self) -> list[Any]:
        return [user_session(session) for session in self.center.sessions]

    def prop_defaultLocale(self) -> str:
        return "en"

    def prop_messageLocaleList(self) -> list[str]:
        return ["en"]

    def prop_supportedLocaleList(self) -> list[str]:
        return ["en"]

    @soap_method("Login")
    def login(self, call: Call, args: Any) -> Any:
        if call.session is not None:
            raise faults.by_name("InvalidLogin", "The session is already logged in.")
        session = self.center.sessions.login(
            args.userName,
            args.password,
            client_address=call.client_address,
            user_agent=call.user_agent,
        )
        session.locale = args.locale or "en"
        call.new_session = session
        self.center.events.post(
            vim.event.UserLoginSessionEvent,
            None,
            f"User {session.user_name}@{call.client_address} logged in as {call.user_agent}",
            ipAddress=call.client_address,
            userAgent=call.user_agent,
            locale=session.locale,
            sessionId=session.key,
            userName=session.user_name,
        )
        return user_session(session)

    @soap_method("LoginByToken")
    def login_by_token(self, call: Call, args: Any) -> None:
        raise faults.not_supported(
            "The lab's vCenter has no single sign-on; use Login with user name and password."
        )

    @soap_method("Logout")
    def logout(self, call: Call, args: Any) -> None:
        session = call.required_session()
        self.center.events.post(
            vim.event.UserLogoutSessionEvent,
            None,
            f"User {session.user_name}@{session.client_address} logged out",
            ipAddress=session.client_address,
            userAgent=session.user_agent,
            callCount=session.call_count,
            sessionId=session.key,
            loginTime=session.login_time,
        )
        self.center.sessions.end(session)

    @soap_method("SessionIsActive")
    def session_is_active(self, call: Call, args: Any) -> bool:
        session = self.center.sessions.find(args.sessionID)
        return session is not None and session.user_name == args.userName

    @soap_method("TerminateSession")
    def terminate(self, call: Call, args: Any) -> None:
        found = []
        for key in args.sessionId:
            session = self.center.sessions.find(key)
            if session is None:
                raise vim.fault.NotFound(msg=f"There is no session {key}.")
            if session is call.session:
                raise faults.invalid_argument("sessionId", "A session cannot terminate itself.")
            found.append(session)
        for session in found:
            self.center.sessions.end(session)

    @soap_method("SetLocale")
    def set_locale(self, call: Call, args: Any) -> None:
        call.required_session().locale = args.locale

    @soap_method("AcquireGenericServiceTicket")
    def acquire_ticket(self, call: Call, args: Any) -> Any:
        url = getattr(args.spec, "url", None)
        if not url:
            raise faults.invalid_argument("spec.url")
        ticket = self.center.sessions.issue_ticket(
            call.required_session(), getattr(args.spec, "method", None) or "", url
        )
        return vim.SessionManager.GenericServiceTicket(
            id=ticket,
            hostName=urlsplit(url).hostname,
            sslThumbprint=self.center.thumbprint or None,
            ticketType="HttpServiceTicket",
        )


def user_session(session: Session) -> Any:
    """A session as ``UserSession``."""
    return vim.UserSession(
        key=session.key,
        userName=session.user_name,
        fullName=session.user_name,
        loginTime=session.login_time,
        lastActiveTime=session.last_active,
        locale=session.locale,
        messageLocale="en",
        extensionSession=False,
        ipAddress=session.client_address,
        userAgent=session.user_agent,
        callCount=session.call_count,
    )
