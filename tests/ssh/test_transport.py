"""The SSH transport against a real SSH server (asyncssh) on loopback."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
import time
from collections.abc import Iterator
from ipaddress import IPv4Address
from pathlib import Path

import asyncssh
import pytest

from viaduct.errors import NodeUnreachable, StateError
from viaduct.ssh.transport import SshTransport

LOOPBACK = IPv4Address("127.0.0.1")


class Server:
    """An SSH server on loopback that knows a few commands; counts connections."""

    def __init__(self) -> None:
        self.host_key = asyncssh.generate_private_key("ssh-ed25519")
        self.accepted: set[str] = set()
        self.connections = 0
        self.port = 0
        self.live: list[asyncssh.SSHServerConnection] = []
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._listener: asyncssh.SSHAcceptor | None = None

    @property
    def host_key_line(self) -> str:
        return self.host_key.export_public_key().decode().strip()

    def start(self, port: int = 0) -> None:
        if not self._thread.is_alive():
            self._thread.start()
        self._call(self._listen(port))

    def stop(self) -> None:
        async def close() -> None:
            if self._listener is not None:
                self._listener.close()
                await self._listener.wait_closed()
            self.drop()

        self._call(close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(5)
        self._loop.close()

    def drop(self) -> None:
        for connection in self.live:
            connection.abort()
        self.live.clear()

    def _call(self, work: object) -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop).result(10)  # type: ignore[arg-type]

    async def _listen(self, port: int) -> None:
        outer = self

        class Login(asyncssh.SSHServer):
            def connection_made(self, conn: asyncssh.SSHServerConnection) -> None:
                outer.connections += 1
                outer.live.append(conn)

            def begin_auth(self, username: str) -> bool:
                return True

            def public_key_auth_supported(self) -> bool:
                return True

            def validate_public_key(self, username: str, key: asyncssh.SSHKey) -> bool:
                line = key.export_public_key().decode().split()[1]
                return username == "root" and any(line in known for known in outer.accepted)

        self._listener = await asyncssh.listen(
            "127.0.0.1",
            port,
            server_factory=Login,
            server_host_keys=[self.host_key],
            process_factory=self._handle,
            encoding=None,
        )
        self.port = self._listener.get_port()

    async def _handle(self, process: asyncssh.SSHServerProcess[bytes]) -> None:
        command = process.command or ""
        if command == "cat":
            process.stdout.write(await process.stdin.read())
        elif command == "lines":
            for text in (b"one\n", b"two\nthr", b"ee\nfo", b"ur"):
                process.stdout.write(text)
                await asyncio.sleep(0.02)
        elif command == "fail":
            process.stderr.write(b"no such thing\n")
            process.exit(3)
        elif command == "sleep":
            with contextlib.suppress(asyncssh.Error, asyncio.CancelledError):
                await asyncio.sleep(30)
        process.exit(0)


@pytest.fixture
def server() -> Iterator[Server]:
    instance = Server()
    instance.start()
    yield instance
    instance.stop()


@pytest.fixture
def transport(server: Server, tmp_path: Path) -> Iterator[SshTransport]:
    instance = SshTransport(tmp_path / "ssh", port=server.port)
    server.accepted.add(instance.public_key())
    yield instance
    instance.close()


def test_output_status_and_errors_come_back(server: Server, transport: SshTransport) -> None:
    done = transport.run(LOOPBACK, server.host_key_line, "cat", stdin=b"hello", timeout=5)
    assert (done.exit_status, done.stdout, done.stderr) == (0, "hello", "")
    failed = transport.run(LOOPBACK, server.host_key_line, "fail", timeout=5)
    assert (failed.exit_status, failed.stderr) == (3, "no such thing\n")


def test_much_input_and_output_do_not_block_each_other(server: Server, transport: SshTransport) -> None:
    content = b"0123456789abcdef" * (1 << 18)
    done = transport.run(LOOPBACK, server.host_key_line, "cat", stdin=content, timeout=20)
    assert done.stdout.encode() == content


def test_a_command_that_ignores_its_input_is_no_error(server: Server, transport: SshTransport) -> None:
    done = transport.run(LOOPBACK, server.host_key_line, "fail", stdin=b"x" * (8 << 20), timeout=10)
    assert done.exit_status == 3


def test_lines_are_handed_over_whole(server: Server, transport: SshTransport) -> None:
    seen: list[str] = []
    done = transport.stream(LOOPBACK, server.host_key_line, "lines", stdin=b"", timeout=5, line=seen.append)
    assert seen == ["one", "two", "three", "four"]
    assert done.stdout == "one\ntwo\nthree\nfour"


def test_the_connection_is_kept_between_commands(server: Server, transport: SshTransport) -> None:
    for _ in range(3):
        transport.run(LOOPBACK, server.host_key_line, "true", timeout=5)
    assert server.connections == 1


def test_a_connection_that_died_is_replaced(server: Server, transport: SshTransport) -> None:
    transport.run(LOOPBACK, server.host_key_line, "true", timeout=5)
    server._loop.call_soon_threadsafe(server.drop)
    time.sleep(0.2)
    assert transport.run(LOOPBACK, server.host_key_line, "true", timeout=5).exit_status == 0
    assert server.connections == 2


def test_another_host_key_is_refused_at_once(server: Server, transport: SshTransport) -> None:
    other = asyncssh.generate_private_key("ssh-ed25519").export_public_key().decode()
    started = time.monotonic()
    with pytest.raises(NodeUnreachable, match="another SSH host key"):
        transport.run(LOOPBACK, other, "true", timeout=20)
    assert time.monotonic() - started < 5


def test_a_node_whose_host_key_is_not_known_is_not_even_asked(
    server: Server, transport: SshTransport
) -> None:
    with pytest.raises(NodeUnreachable, match="has not published its SSH host key"):
        transport.run(LOOPBACK, "", "true", timeout=20)
    assert server.connections == 0


def test_a_key_that_is_not_accepted_is_said(server: Server, transport: SshTransport) -> None:
    server.accepted.clear()
    with pytest.raises(NodeUnreachable, match="does not accept the cloud's key"):
        transport.run(LOOPBACK, server.host_key_line, "true", timeout=1)


def test_a_key_accepted_a_little_later_is_waited_for(server: Server, transport: SshTransport) -> None:
    server.accepted.clear()
    threading.Timer(0.7, lambda: server.accepted.add(transport.public_key())).start()
    assert transport.run(LOOPBACK, server.host_key_line, "true", timeout=10).exit_status == 0


def test_nobody_there_ends_when_time_is_out(tmp_path: Path) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        transport = SshTransport(tmp_path / "ssh", port=unused.getsockname()[1])
        started = time.monotonic()
        with pytest.raises(NodeUnreachable, match="does not answer by SSH"):
            transport.run(LOOPBACK, transport.public_key(), "true", timeout=1)
        assert time.monotonic() - started < 4
        transport.close()


def test_a_node_that_comes_up_late_is_waited_for(tmp_path: Path) -> None:
    with socket.socket() as reserved:
        reserved.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        reserved.bind(("127.0.0.1", 0))
        port = reserved.getsockname()[1]
    transport = SshTransport(tmp_path / "ssh", port=port)
    server = Server()
    server.accepted.add(transport.public_key())
    threading.Timer(0.6, server.start, [port]).start()
    try:
        done = transport.run(LOOPBACK, server.host_key_line, "true", timeout=15)
        assert done.exit_status == 0
    finally:
        transport.close()
        server.stop()


def test_a_command_that_takes_too_long_is_ended(server: Server, transport: SshTransport) -> None:
    with pytest.raises(NodeUnreachable, match="did not finish a command within 1 s"):
        transport.run(LOOPBACK, server.host_key_line, "sleep", timeout=1)


def test_a_connection_that_breaks_while_a_command_runs(server: Server, transport: SshTransport) -> None:
    transport.run(LOOPBACK, server.host_key_line, "true", timeout=5)
    threading.Timer(0.3, lambda: server._loop.call_soon_threadsafe(server.drop)).start()
    with pytest.raises(NodeUnreachable, match="broke while a command ran"):
        transport.run(LOOPBACK, server.host_key_line, "sleep", timeout=20)


def test_commands_from_several_threads_run_side_by_side(server: Server, transport: SshTransport) -> None:
    results: list[str] = []

    def work(text: str) -> None:
        done = transport.run(LOOPBACK, server.host_key_line, "cat", stdin=text.encode(), timeout=5)
        results.append(done.stdout)

    threads = [threading.Thread(target=work, args=(f"t{i}",)) for i in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert sorted(results) == [f"t{i}" for i in range(6)]
    assert server.connections == 1


def test_the_key_pair_is_private_and_made_once(tmp_path: Path) -> None:
    first = SshTransport(tmp_path / "ssh")
    assert not (tmp_path / "ssh").exists(), "made before it was needed"
    line = first.public_key()
    first.close()
    second = SshTransport(tmp_path / "ssh")
    second.close()
    private = tmp_path / "ssh" / "id_ed25519"
    assert second.public_key() == line
    assert line.startswith("ssh-ed25519 ")
    assert private.stat().st_mode & 0o777 == 0o600
    assert private.parent.stat().st_mode & 0o777 == 0o700


def test_a_damaged_key_is_not_replaced(tmp_path: Path) -> None:
    (tmp_path / "id_ed25519").write_text("garbage")
    transport = SshTransport(tmp_path)
    with pytest.raises(StateError, match="cannot be read"):
        transport.public_key()
    transport.close()
    assert (tmp_path / "id_ed25519").read_text() == "garbage"


def test_interactive_login_trusts_the_known_host_key_only(server: Server, transport: SshTransport) -> None:
    arguments = transport.interactive(LOOPBACK, server.host_key_line)
    assert arguments[0] == "ssh"
    assert arguments[-1] == "root@127.0.0.1"
    assert "StrictHostKeyChecking=yes" in arguments
    known = next(a for a in arguments if a.startswith("UserKnownHostsFile=")).partition("=")[2]
    assert Path(known).read_text() == f"[127.0.0.1]:{server.port} {server.host_key_line}\n"
