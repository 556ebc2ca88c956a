"""A logged-in session: one login, renewed once when the vCenter drops it, usable from several threads."""

from __future__ import annotations

import threading
import time
from http.client import HTTPException
from typing import Any

from pyVmomi import VmomiSupport, vim, vmodl
from pyVmomi.SoapAdapter import SoapStubAdapter

from viaduct.model.site import VCenter
from viaduct.vsphere.faults import told_as
from viaduct.vsphere.trust import CONNECT_TIMEOUT, Trusted, establish

API_VERSION = VmomiSupport.versionMap["vim25/7.0.0.0"]
"""The API that we speak: the oldest supported vSphere's. Later vCenters serve it too."""

READ_TIMEOUT = 150.0
"""Seconds until a silent connection counts as broken; long polls ask for less (see ``wait``)."""

_UNAUTHENTICATED = ("RetrieveServiceContent", "Login", "Logout")


class _Stub(SoapStubAdapter):
    """pyVmomi's transport with a short time-out to connect, and a session that renews itself.

    Calls run side by side, each on a connection of its own from pyVmomi's pool; only logins take turns.
    """

    def __init__(self, vcenter: VCenter, trusted: Trusted) -> None:
        super().__init__(
            host=vcenter.host,
            port=vcenter.port,
            version=API_VERSION,
            sslContext=trusted.context,
            httpConnectionTimeout=CONNECT_TIMEOUT,
        )
        self._vcenter = vcenter
        self._login_lock = threading.Lock()
        self._logins = 0

    def GetConnection(self) -> Any:
        connection = super().GetConnection()
        connection.sock.settimeout(READ_TIMEOUT)
        return connection

    def InvokeMethod(self, mo: Any, info: Any, args: Any, outerStub: Any = None) -> Any:
        logins = self._logins
        try:
            return self._invoke(mo, info, args)
        except vim.fault.NotAuthenticated:
            if info.wsdlName in _UNAUTHENTICATED:
                raise
            self.login(instead_of=logins)
            return self._invoke(mo, info, args)

    def _invoke(self, mo: Any, info: Any, args: Any) -> Any:
        try:
            return super().InvokeMethod(mo, info, args)
        except (ConnectionError, HTTPException):
            # A kept-alive connection that the server has closed. What changes nothing is asked again;
            # a task may have started, so the caller has to look.
            if info.wsdlName.endswith("_Task"):
                raise
            return super().InvokeMethod(mo, info, args)

    def login(self, instead_of: int) -> None:
        """Log in, unless another thread has done so since ``instead_of`` was read from the counter."""
        with self._login_lock:
            if self._logins != instead_of:
                return
            # A dropped session's cookie would make some servers refuse the login.
            self.cookie = ""
            manager = vim.SessionManager("SessionManager", self)
            manager.Login(self._vcenter.username, self._vcenter.password.reveal(), None)
            self._logins += 1


class Session:
    """A vCenter session.

    ``content`` holds the singletons; ``trusted`` how the server was verified. Raises VCenterUnreachable,
    VCenterUntrusted, VCenterLoginFailed.
    """

    def __init__(self, vcenter: VCenter) -> None:
        self.vcenter = vcenter
        self.trusted = establish(vcenter)
        self._stub = _Stub(vcenter, self.trusted)
        instance = vim.ServiceInstance("ServiceInstance", self._stub)
        with told_as("answer as a vCenter"):
            self.content: Any = instance.RetrieveContent()
        with told_as("log in"):
            self._stub.login(instead_of=0)

    @property
    def cookie(self) -> str:
        """The ``Cookie`` header that plain HTTPS requests (``/folder``) need."""
        return self._stub.cookie.partition(";")[0]

    def object(self, kind: type[Any], reference: str) -> Any:
        """The managed object of ``kind`` with that moid."""
        return kind(reference, self._stub)

    def renew(self) -> None:
        """Log in again; for plain HTTPS requests, which do not renew the session by themselves."""
        with told_as("log in"):
            self._stub.login(instead_of=self._stub._logins)

    def close(self) -> None:
        """Log out; a vCenter that is gone is no error any more."""
        try:
            self.content.sessionManager.Logout()
        except (vmodl.MethodFault, OSError, HTTPException):
            pass
        finally:
            self._stub.DropConnections()


def now() -> float:
    """Monotonic seconds, for deadlines."""
    return time.monotonic()
