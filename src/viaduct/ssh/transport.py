"""Commands on nodes: blocking calls over a private event loop, connections reused between them."""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any, TypeVar

import asyncssh

from viaduct import private_files
from viaduct.errors import NodeUnreachable
from viaduct.services.ports import CommandResult
from viaduct.ssh import keys
from viaduct.ssh.connection import Connections, Target

Result = TypeVar("Result")

_LONGEST_LINE = 1 << 20


class SshTransport:
    """Implements :class:`viaduct.services.ports.NodeTransport`; usable from several threads.

    ``directory`` keeps the key pair (made on first use: a dry look leaves nothing behind) and the known-hosts
    files of interactive logins. ``port`` is where nodes' sshd listens. Methods raise StateError when the
    directory cannot be used.
    """

    def __init__(self, directory: Path, port: int = 22) -> None:
        self._directory = directory
        self._key_lock = threading.Lock()
        self._key_made: Path | None = None
        self._port = port
        self._connections = Connections(directory / keys.KEY_FILE)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="ssh", daemon=True)
        self._thread.start()

    def run(
        self, address: IPv4Address, host_key: str, command: str, *, stdin: bytes = b"", timeout: float
    ) -> CommandResult:
        self._key()
        return self._wait(self._execute(Target(address, host_key, self._port), command, stdin, timeout, None))

    def stream(
        self,
        address: IPv4Address,
        host_key: str,
        command: str,
        *,
        stdin: bytes,
        timeout: float,
        line: Callable[[str], None],
    ) -> CommandResult:
        self._key()
        return self._wait(self._execute(Target(address, host_key, self._port), command, stdin, timeout, line))

    def public_key(self) -> str:
        return self._key().with_suffix(".pub").read_text().strip()

    def interactive(self, address: IPv4Address, host_key: str) -> tuple[str, ...]:
        key_file = self._key()
        known = self._directory / f"known_hosts-{address}"
        name = str(address) if self._port == 22 else f"[{address}]:{self._port}"
        private_files.replace(known, f"{name} {host_key.strip()}\n".encode())
        options = {
            "IdentitiesOnly": "yes",
            "StrictHostKeyChecking": "yes",
            "UserKnownHostsFile": str(known),
            "GlobalKnownHostsFile": "/dev/null",
            "HostKeyAlgorithms": "ssh-ed25519",
        }
        flags = [part for key, value in options.items() for part in ("-o", f"{key}={value}")]
        where = ("-p", str(self._port), f"root@{address}")
        return ("ssh", "-F", "/dev/null", "-i", str(key_file), *flags, *where)

    def close(self) -> None:
        """Close all connections and end the private thread. Calls after it fail."""
        if self._loop.is_closed():
            return
        self._wait(self._connections.close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(5)
        self._loop.close()

    def _key(self) -> Path:
        """The private key's file."""
        with self._key_lock:
            if self._key_made is None:
                self._key_made = keys.ensure(self._directory)
            return self._key_made

    def _wait(self, work: Coroutine[Any, Any, Result]) -> Result:
        future: Future[Result] = asyncio.run_coroutine_threadsafe(work, self._loop)
        try:
            return future.result()
        except BaseException:
            # Ctrl-C in the calling thread: the command's channel must not go on by itself.
            future.cancel()
            raise

    async def _execute(
        self, target: Target, command: str, stdin: bytes, timeout: float, line: Callable[[str], None] | None
    ) -> CommandResult:
        deadline = time.monotonic() + timeout
        process = await self._open(target, command, deadline)
        try:
            async with asyncio.timeout(max(0.1, deadline - time.monotonic())):
                return await _communicate(process, stdin, line)
        except TimeoutError as problem:
            raise NodeUnreachable(
                f"The node at {target.address} did not finish a command within {timeout:.0f} s.",
                "Look at the node's console log and load; then run the same command again.",
                detail=command[:500],
            ) from problem
        except (OSError, asyncssh.Error) as problem:
            self._connections.forget(target)
            raise NodeUnreachable(
                f"The connection to the node at {target.address} broke while a command ran ({problem}).",
                "Check in vCenter that its VM runs; then run the same command again.",
                detail=command[:500],
            ) from problem
        finally:
            process.close()

    async def _open(self, target: Target, command: str, deadline: float) -> asyncssh.SSHClientProcess[bytes]:
        """Start the command; a kept connection that died meanwhile is replaced until ``deadline``."""
        while True:
            connection = await self._connections.get(target, deadline)
            try:
                async with asyncio.timeout(max(0.1, deadline - time.monotonic())):
                    return await connection.create_process(command, encoding=None)
            except (OSError, asyncssh.Error) as problem:
                self._connections.forget(target)
                if time.monotonic() >= deadline:
                    raise NodeUnreachable(
                        f"The node at {target.address} accepts no command by SSH ({problem}).",
                        "Check in vCenter that its VM runs; then run the same command again.",
                    ) from problem
                await asyncio.sleep(0.2)


async def _communicate(
    process: asyncssh.SSHClientProcess[bytes], stdin: bytes, line: Callable[[str], None] | None
) -> CommandResult:
    """Feed and drain at the same time: either side may fill its window."""
    _, output, errors = await asyncio.gather(
        _feed(process, stdin), _read_lines(process.stdout, line), process.stderr.read()
    )
    await process.wait_closed()
    status = process.exit_status
    if status is None:
        signal = process.exit_signal
        if signal is None:
            raise asyncssh.ConnectionLost("the node ended the connection")
        # As a shell would tell it.
        status = 128 + {"HUP": 1, "INT": 2, "KILL": 9, "TERM": 15}.get(signal[0], 0)
    return CommandResult(status, output.decode(errors="replace"), errors.decode(errors="replace"))


async def _feed(process: asyncssh.SSHClientProcess[bytes], stdin: bytes) -> None:
    """A command that ends without reading its input is no error here: its exit status tells."""
    with contextlib.suppress(BrokenPipeError, ConnectionResetError):
        if stdin:
            process.stdin.write(stdin)
            await process.stdin.drain()
        process.stdin.write_eof()


async def _read_lines(stream: asyncssh.SSHReader[bytes], line: Callable[[str], None] | None) -> bytes:
    if line is None:
        return await stream.read()
    seen, rest = [], b""
    while chunk := await stream.read(65536):
        seen.append(chunk)
        *whole, rest = (rest + chunk).split(b"\n")
        for text in whole:
            line(text.decode(errors="replace").rstrip("\r"))
        if len(rest) > _LONGEST_LINE:
            line(rest.decode(errors="replace"))
            rest = b""
    if rest:
        line(rest.decode(errors="replace"))
    return b"".join(seen)
