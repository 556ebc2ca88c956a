"""Brings a node into a state over SSH: one archive, one command."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, Protocol

from viaduct.errors import NodeApplyFailed
from viaduct.model.cloud import Node
from viaduct.model.node_state import NodeState
from viaduct.node.archive import agent_archive, command, state_archive

Report = Callable[[str], None]

STATUS_TIMEOUT = 60.0
APPLY_TIMEOUT = 3600.0
EXIT_BUSY = 3


class Result(Protocol):
    """How a command on a node ended."""

    @property
    def exit_status(self) -> int: ...

    @property
    def stdout(self) -> str: ...

    @property
    def stderr(self) -> str: ...


class Transport(Protocol):
    """What is needed of :class:`viaduct.services.ports.NodeTransport` (adapters do not import services)."""

    def run(
        self, address: Any, host_key: str, command: str, *, stdin: bytes = b"", timeout: float
    ) -> Result: ...

    def stream(
        self, address: Any, host_key: str, command: str, *, stdin: bytes, timeout: float, line: Report
    ) -> Result: ...


class SshNodeApplier:
    """Implements :class:`viaduct.services.ports.NodeApplier`."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def digest(self, node: Node, host_key: str, timeout: float = STATUS_TIMEOUT) -> str | None:
        """Digest of the state last applied whole.

        None when there is none, when a file of it was changed since, or a unit of it is not running. Raises
        NodeUnreachable, and NodeApplyFailed if the node cannot say.
        """
        result = self._transport.run(
            node.management_address,
            host_key,
            command("status"),
            stdin=agent_archive(),
            timeout=timeout,
        )
        for event in _events(result.stdout):
            if event["event"] == "status":
                digest = event["digest"]
                return digest if isinstance(digest, str) else None
        raise _no_answer(node, result)

    def apply(self, node: Node, host_key: str, state: NodeState, report: Report) -> None:
        """Apply ``state``; ``report`` gets a line for each thing done.

        Raises NodeApplyFailed with the failed part and its output, NodeUnreachable when the connection breaks
        (the agent then ends by itself, and applying again completes).
        """
        follower = _Follower(node, report)
        result = self._transport.stream(
            node.management_address,
            host_key,
            command("apply"),
            stdin=state_archive(state),
            timeout=APPLY_TIMEOUT,
            line=follower.line,
        )
        if follower.failure is not None:
            raise follower.failure
        if result.exit_status == EXIT_BUSY:
            raise NodeApplyFailed(
                f"Node {node.name} is already being changed by another run.",
                "Wait for the other run to end, then try again.",
            )
        if not follower.done or result.exit_status != 0:
            raise _no_answer(node, result)


class _Follower:
    """Turns the agent's events into lines of progress, and keeps its verdict."""

    def __init__(self, node: Node, report: Report) -> None:
        self._node = node
        self._report = report
        self.done = False
        self.failure: NodeApplyFailed | None = None

    def line(self, line: str) -> None:
        for event in _events(line):
            if event["event"] == "failed":
                self.failure = _failure(self._node, event)
            self.done = self.done or event["event"] == "done"
            text = describe(event)
            if text:
                self._report(text)


def describe(event: dict[str, Any]) -> str:
    """What a person reads about an event of the agent; empty for those that say nothing new."""
    match event:
        case {"event": "files", "changed": changed, "total": total}:
            return f"{changed} of {total} files written"
        case {"event": "unchanged"}:
            return "nothing to do"
        case {"event": "unit", "name": name, "seconds": seconds}:
            return f"{str(name).removesuffix('.service')} runs ({seconds} s)"
        case {"event": "one-shot", "name": name, "seconds": seconds}:
            return f"{name} ({seconds} s)"
        case {"event": "check", "name": name, "seconds": seconds}:
            return f"{name} ({seconds} s)"
        case {"event": "wave", "name": name, "seconds": seconds}:
            return f"stage {name} complete ({seconds} s)"
        case _:
            return ""


def _failure(node: Node, event: dict[str, Any]) -> NodeApplyFailed:
    part = str(event["part"])
    unit = part if part.endswith(".service") else ""
    look = f"journalctl -u {unit}" if unit else "journalctl -p warning -b"
    return NodeApplyFailed(
        f"Node {node.name}, stage {event['wave']}: {event['text']}.",
        f"Read the lines above; on the node, '{look}' shows more. Running again continues from there.",
        detail=str(event["detail"]),
    )


def _no_answer(node: Node, result: Result) -> NodeApplyFailed:
    return NodeApplyFailed(
        f"The agent on node {node.name} ended with exit status {result.exit_status} and no verdict.",
        "Run again; if it stays so, log in to the node and look at 'journalctl -b'.",
        detail="\n".join(result.stderr.splitlines()[-40:]),
    )


def _events(text: str) -> list[dict[str, Any]]:
    events = []
    for line in text.splitlines():
        try:
            event = json.loads(line)
        except ValueError:
            continue  # not ours: a login banner, for example
        if isinstance(event, dict) and "event" in event:
            events.append(event)
    return events
