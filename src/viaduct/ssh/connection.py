"""One connection per node, opened when first needed and kept; the node's host key is known beforehand."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from ipaddress import IPv4Address
from pathlib import Path

import asyncssh

from viaduct.errors import NodeUnreachable

_FIRST_PAUSE, _LONGEST_PAUSE = 0.2, 1.5
"""Seconds between attempts while a node boots."""

_ATTEMPT = 10.0


@dataclass(frozen=True)
class Target:
    """Where to log in and which host key (``ssh-ed25519 AAAA...``) must answer."""

    address: IPv4Address
    host_key: str
    port: int = 22


class Connections:
    """The open connections of one run. To be used on one event loop only."""

    def __init__(self, key_file: Path) -> None:
        self._key_file = key_file
        self._open: dict[Target, asyncssh.SSHClientConnection] = {}
        self._locks: dict[Target, asyncio.Lock] = {}

    async def get(self, target: Target, deadline: float) -> asyncssh.SSHClientConnection:
        """A live connection; opens one, trying until ``deadline`` (monotonic). Raises NodeUnreachable."""
        async with self._locks.setdefault(target, asyncio.Lock()):
            known = self._open.get(target)
            if known is not None and not known.is_closed():
                return known
            connection = await self._dial(target, deadline)
            self._open[target] = connection
            return connection

    def forget(self, target: Target) -> None:
        """Drop a connection that turned out to be dead."""
        connection = self._open.pop(target, None)
        if connection is not None:
            connection.abort()

    async def close(self) -> None:
        connections = list(self._open.values())
        self._open.clear()
        for connection in connections:
            connection.close()
        for connection in connections:
            try:
                await asyncio.wait_for(connection.wait_closed(), 2)
            except TimeoutError:
                connection.abort()

    async def _dial(self, target: Target, deadline: float) -> asyncssh.SSHClientConnection:
        """Try politely: a booting node refuses connections, and sshd may run before the key is in place."""
        if not target.host_key.strip():
            raise _unknown_host_key(target)
        pause = _FIRST_PAUSE
        while True:
            left = deadline - time.monotonic()
            try:
                return await asyncio.wait_for(self._connect(target), max(0.1, min(_ATTEMPT, left)))
            except asyncssh.HostKeyNotVerifiable as problem:
                raise _wrong_host_key(target) from problem
            except (OSError, asyncssh.Error) as problem:
                if time.monotonic() + pause >= deadline:
                    raise _unreachable(target, problem) from problem
            await asyncio.sleep(pause)
            pause = min(pause * 1.5, _LONGEST_PAUSE)

    async def _connect(self, target: Target) -> asyncssh.SSHClientConnection:
        try:
            trusted = asyncssh.import_public_key(target.host_key)
        except asyncssh.KeyImportError as problem:
            raise _no_host_key(target) from problem
        return await asyncssh.connect(
            str(target.address),
            target.port,
            username="root",
            client_keys=[str(self._key_file)],
            known_hosts=([trusted], [], []),
            server_host_key_algs=[trusted.get_algorithm()],
            preferred_auth="publickey",
            password=None,
            agent_path=None,
            config=None,
            compression_algs=None,
            keepalive_interval=10,
            keepalive_count_max=3,
            connect_timeout=_ATTEMPT,
            login_timeout=_ATTEMPT,
        )


def _unknown_host_key(target: Target) -> NodeUnreachable:
    return NodeUnreachable(
        f"The node at {target.address} has not published its SSH host key since it was switched on.",
        "It may have been switched off, or still be booting: run the same command again.",
    )


def _no_host_key(target: Target) -> NodeUnreachable:
    return NodeUnreachable(
        f"What the node at {target.address} has published as its SSH host key is none.",
        "Somebody may have changed guestinfo.viaduct.hostkey of its VM in vCenter: reset the VM.",
    )


def _wrong_host_key(target: Target) -> NodeUnreachable:
    return NodeUnreachable(
        f"Whoever answers at {target.address} shows another SSH host key than the node has published.",
        "Another machine may use this address (look for it in vCenter), or the node was replaced behind "
        "Viaduct's back. Nothing was sent to it.",
    )


def _unreachable(target: Target, problem: Exception) -> NodeUnreachable:
    if isinstance(problem, asyncssh.PermissionDenied):
        return NodeUnreachable(
            f"The node at {target.address} answers by SSH but does not accept the cloud's key.",
            "Its first boot may have failed: look at its console log (below, or in vCenter).",
        )
    why = str(problem) or ("no answer" if isinstance(problem, TimeoutError) else type(problem).__name__)
    return NodeUnreachable(
        f"The node at {target.address} does not answer by SSH ({why}).",
        "Check in vCenter that its VM runs and is connected to the management port group, and that this "
        "machine can reach that network.",
    )
