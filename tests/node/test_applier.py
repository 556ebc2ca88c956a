"""The applier: what it sends, what it reports, what it raises."""

from __future__ import annotations

import gzip
import io
import json
import tarfile
from dataclasses import dataclass, field
from typing import Any

import pytest

from samples import sample_cloud, sample_node
from viaduct.errors import NodeApplyFailed
from viaduct.model.node_state import File, NodeState, Unit, Wave
from viaduct.node import SshNodeApplier
from viaduct.node.archive import MODULES, command, state_archive
from viaduct.roles import node_state

STATE = NodeState("node1", (File("/etc/x", b"x"),), (Wave("one", units=(Unit("x.service"),)),))
NODE = sample_node()


@dataclass
class Result:
    exit_status: int = 0
    stdout: str = ""
    stderr: str = ""


@dataclass
class FakeTransport:
    """Answers with given lines and remembers what it was asked."""

    result: Result
    asked: list[tuple[Any, str, str, bytes]] = field(default_factory=list)

    def run(self, address: Any, host_key: str, command: str, *, stdin: bytes = b"", timeout: float) -> Result:
        self.asked.append((address, host_key, command, stdin))
        return self.result

    def stream(
        self, address: Any, host_key: str, command: str, *, stdin: bytes, timeout: float, line: Any
    ) -> Result:
        self.asked.append((address, host_key, command, stdin))
        for text in self.result.stdout.splitlines():
            line(text)
        return self.result


def lines(*events: dict[str, object]) -> str:
    return "".join(json.dumps(event) + "\n" for event in events)


def apply(result: Result) -> tuple[list[str], FakeTransport]:
    transport = FakeTransport(result)
    reported: list[str] = []
    SshNodeApplier(transport).apply(NODE, "key", STATE, reported.append)
    return reported, transport


def test_one_command_with_everything_on_standard_input() -> None:
    _, transport = apply(Result(stdout=lines({"event": "done"})))
    ((address, host_key, sent, stdin),) = transport.asked
    assert (address, host_key) == (NODE.management_address, "key")
    assert sent == command("apply")
    with tarfile.open(fileobj=io.BytesIO(stdin)) as tar:
        members = {name: tar.extractfile(name).read() for name in tar.getnames()}  # type: ignore[union-attr]
    manifest = json.loads(members["manifest.json"])
    assert manifest["digest"] == STATE.digest()
    assert members[f"content/{manifest['files'][0]['sha256']}"] == b"x"
    assert {f"agent/{name}.py" for name in MODULES} <= set(members)


def test_archive_of_equal_states_is_equal_and_small() -> None:
    cloud = sample_cloud()
    archives = [state_archive(node_state(cloud, cloud.spec.nodes[0])) for _ in range(2)]
    assert archives[0] == archives[1]
    assert len(archives[0]) < 100_000


def test_no_secret_in_the_command() -> None:
    cloud = sample_cloud()
    state = node_state(cloud, cloud.spec.nodes[0])
    transport = FakeTransport(Result(stdout=lines({"event": "done"})))
    SshNodeApplier(transport).apply(cloud.spec.nodes[0], "key", state, lambda line: None)
    sent = transport.asked[0][2]
    assert not [name for name, secret in cloud.secrets.items() if secret.reveal() in sent]
    assert b"S-admin_password" in gzip.decompress(transport.asked[0][3])


def test_events_become_lines() -> None:
    reported, _ = apply(
        Result(
            stdout="Welcome to this node\n"
            + lines(
                {"event": "files", "changed": 2, "total": 9},
                {"event": "alive"},
                {"event": "unit", "name": "x.service", "seconds": 1.5},
                {"event": "done"},
            )
        )
    )
    assert reported == ["2 of 9 files written", "x runs (1.5 s)"]


def test_failure_names_stage_part_and_output() -> None:
    event = {
        "event": "failed",
        "wave": "data",
        "part": "x.service",
        "text": "x.service does not start",
        "detail": "log",
    }
    with pytest.raises(NodeApplyFailed, match=r"Node node1, stage data: x\.service does not start") as caught:
        apply(Result(1, lines(event)))
    assert caught.value.detail == "log"
    assert "journalctl -u x.service" in caught.value.remedy


@pytest.mark.parametrize(
    ("result", "said"),
    [
        (Result(3, lines({"event": "busy"})), "another run"),
        (Result(127, "", "sh: python3: not found"), "exit status 127"),
        (Result(0, ""), "no verdict"),
        (Result(1, lines({"event": "done"})), "exit status 1"),
    ],
)
def test_anything_but_done_is_an_error(result: Result, said: str) -> None:
    with pytest.raises(NodeApplyFailed, match=said) as caught:
        apply(result)
    assert caught.value.remedy


@pytest.mark.parametrize("digest", ["abc", None])
def test_digest(digest: str | None) -> None:
    event = {"event": "status", "digest": digest, "problems": []}
    transport = FakeTransport(Result(stdout=lines(event)))
    assert SshNodeApplier(transport).digest(NODE, "key") == digest


def test_node_that_cannot_tell_its_digest() -> None:
    with pytest.raises(NodeApplyFailed, match="exit status 1"):
        SshNodeApplier(FakeTransport(Result(1, "", "no systemctl"))).digest(NODE, "key")
