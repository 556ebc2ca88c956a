"""A kept vCenter session for several threads: opened when first needed, opened again when it was lost."""

from __future__ import annotations

import http.client
import logging
import ssl
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar

from pyVim.connect import Disconnect, SmartConnect
from pyVmomi import vim, vmodl

from viaduct_drivers.neutron.errors import DvsError, LoginRefused, TaskFailed, VCenterUnreachable

LOG = logging.getLogger(__name__)

T = TypeVar("T")

_LOST: Final = (vim.fault.NotAuthenticated, OSError, http.client.HTTPException)
_FAIL_FAST_SECONDS: Final = 5.0


@dataclass(frozen=True)
class Access:
    """How to reach and log in to a vCenter. `timeout` is seconds for one answer."""

    host: str
    port: int
    username: str
    password: str = field(repr=False)
    ca_file: str | None = None
    insecure: bool = False
    timeout: float = 30.0


@dataclass
class Session:
    """One login, and the ServiceContent read with it.

    `cache` holds what was looked up; objects of a lost session are useless.
    """

    instance: Any
    content: Any
    cache: dict[str, Any] = field(default_factory=dict)


class VCenter:
    """Runs operations with a live session. Safe for threads."""

    def __init__(self, access: Access, connect: Callable[..., Any] = SmartConnect) -> None:
        self._access = access
        self._connect = connect
        self._lock = threading.Lock()
        self._session: Session | None = None
        self._down: tuple[float, VCenterUnreachable] | None = None

    def run(self, operation: Callable[[Session], T]) -> T:
        """Call `operation` with a session; once more, with a new session, if the session was lost.

        So an operation must be one that may be begun again from its start.
        Raises VCenterUnreachable, LoginRefused, and what the operation raises.
        """
        session = self._get()
        try:
            return operation(session)
        except _LOST as error:
            LOG.info("vCenter session lost (%s), opening a new one", _sentence(error))
            self._drop(session)
        session = self._get()
        try:
            return operation(session)
        except _LOST as error:
            self._drop(session)
            raise self._unreachable(error) from error

    def close(self) -> None:
        """Log out, if logged in."""
        with self._lock:
            session, self._session = self._session, None
        if session is not None:
            try:
                Disconnect(session.instance)
            except Exception as error:
                LOG.debug("logout failed: %s", _sentence(error))

    def _get(self) -> Session:
        with self._lock:
            if self._session is None:
                self._session = self._open()
            return self._session

    def _drop(self, session: Session) -> None:
        with self._lock:
            if self._session is session:
                self._session = None

    def _open(self) -> Session:
        # With vCenter down a request would wait its whole timeout, and its roll-back again.
        if self._down and time.monotonic() < self._down[0]:
            raise self._down[1]
        access = self._access
        try:
            instance = self._connect(
                host=access.host,
                port=access.port,
                user=access.username,
                pwd=access.password,
                sslContext=self._tls(),
                httpConnectionTimeout=access.timeout,
            )
            content = instance.RetrieveContent()
        except (vim.fault.InvalidLogin, vim.fault.NoPermission) as error:
            raise LoginRefused(
                f"vCenter {access.host} refuses user {access.username}: {_sentence(error)}"
            ) from error
        except (*_LOST, vmodl.MethodFault) as error:
            failure = self._unreachable(error)
            self._down = (time.monotonic() + _FAIL_FAST_SECONDS, failure)
            raise failure from error
        self._down = None
        return Session(instance, content)

    def _tls(self) -> ssl.SSLContext:
        access = self._access
        try:
            context = ssl.create_default_context(cafile=access.ca_file)
        except OSError as error:
            raise VCenterUnreachable(f"ca_file {access.ca_file} cannot be read: {error}") from error
        if access.insecure and not access.ca_file:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        return context

    def _unreachable(self, error: BaseException) -> VCenterUnreachable:
        where = f"vCenter {self._access.host}:{self._access.port}"
        if isinstance(error, ssl.SSLCertVerificationError):
            return VCenterUnreachable(
                f"{where}: certificate not trusted ({error.verify_message}); check ca_file"
            )
        return VCenterUnreachable(f"{where} does not answer: {_sentence(error)}")


def wait_for_task(task: Any, *, timeout: float, interval: float) -> Any:
    """Wait for a task's end and return its result.

    Raises the task's own fault (a vmodl.MethodFault), or TaskFailed after `timeout` seconds.
    """
    deadline = time.monotonic() + timeout
    while True:
        info = task.info
        if info.state == vim.TaskInfo.State.success:
            return info.result
        if info.state == vim.TaskInfo.State.error:
            raise info.error or TaskFailed(f"task {info.descriptionId or info.key} failed without a reason")
        if time.monotonic() >= deadline:
            raise TaskFailed(f"task {info.descriptionId or info.key} did not end in {timeout:.0f} s")
        time.sleep(interval)


def _sentence(error: BaseException) -> str:
    """A fault's message without pyVmomi's dump of the whole object."""
    if isinstance(error, vmodl.MethodFault):
        return getattr(error, "msg", None) or type(error).__name__
    return str(error) or type(error).__name__


def as_dvs_error(error: BaseException) -> DvsError:
    """Turn what vCenter answered into an error of this package."""
    return error if isinstance(error, DvsError) else TaskFailed(f"vCenter refused: {_sentence(error)}")
