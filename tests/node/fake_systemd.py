"""A stand-in for systemctl and journalctl on PATH, and the agent run against a folder instead of ``/``."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from viaduct.model.node_state import NodeState
from viaduct.node.archive import agent_archive, command, state_archive

SYSTEMCTL = """\
#!{python} -I
import json, os, pathlib, sys
home = pathlib.Path({home!r})
verb, *rest = sys.argv[1:]
names = [a for a in rest if not a.startswith("-")]
with (home / "calls").open("a") as calls:
    calls.write(json.dumps([verb, *rest]) + "\\n")
units = json.loads((home / "units").read_text())
broken = json.loads((home / "broken").read_text())
for name in names:
    unit = units.setdefault(name, {{"ActiveState": "inactive", "enabled": "disabled", "NRestarts": "0"}})
    if verb in ("start", "restart"):
        unit["ActiveState"] = "failed" if name in broken else "active"
    elif verb == "disable":
        unit["ActiveState"], unit["enabled"] = "inactive", "disabled"
    elif verb == "enable":
        unit["enabled"] = "enabled"
    elif verb == "is-enabled":
        print(unit["enabled"])
    elif verb == "show":
        for key in ("ActiveState", "NRestarts"):
            print(key + "=" + unit[key])
        print("ConditionResult=" + unit.get("ConditionResult", "yes"))
        print("Job=")
        print()
(home / "units").write_text(json.dumps(units))
"""

JOURNALCTL = """\
#!/bin/sh
cat "{home}/journal" 2>/dev/null
"""


@dataclass
class FakeNode:
    """A node that is a folder: ``root`` its file system, ``home`` the state of its fake systemd."""

    root: Path
    home: Path
    environment: dict[str, str] = field(default_factory=dict)

    @classmethod
    def make(cls, folder: Path) -> FakeNode:
        """A node that nothing was applied to."""
        node = cls(folder / "root", folder / "systemd")
        programs = folder / "bin"
        for path in (node.root, node.home, programs):
            path.mkdir()
        for name, source in (("systemctl", SYSTEMCTL), ("journalctl", JOURNALCTL)):
            (programs / name).write_text(source.format(python=sys.executable, home=str(node.home)))
            (programs / name).chmod(0o755)
        (node.home / "units").write_text("{}")
        (node.home / "broken").write_text("[]")
        node.environment = {
            "PATH": f"{programs}:/usr/bin:/bin",
            "VIADUCT_LOCK_WAIT": "0.3",
            "ROOT": str(node.root),
        }
        return node

    def start(self, archive: bytes, action: str) -> subprocess.Popen[str]:
        """The agent as a process, as SSH would run it."""
        shell = command(action, "--root", str(self.root), python=sys.executable)
        process = subprocess.Popen(
            ["/bin/sh", "-c", shell],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=self.environment,
        )
        assert process.stdin is not None
        process.stdin.write(archive)
        process.stdin.close()
        process.stdin = None
        return process  # type: ignore[return-value]

    def run(self, archive: bytes, action: str) -> tuple[int, list[dict[str, Any]]]:
        """Exit status and events."""
        process = self.start(archive, action)
        output, errors = process.communicate(timeout=60)
        assert b"Traceback" not in errors, errors.decode()
        return process.returncode, [json.loads(line) for line in output.splitlines()]

    def apply(self, state: NodeState) -> tuple[int, list[dict[str, Any]]]:
        """Apply a state."""
        return self.run(state_archive(state), "apply")

    def digest(self) -> str | None:
        """The digest that the node tells."""
        status, events = self.run(agent_archive(), "status")
        assert status == 0
        return events[-1]["digest"]

    def calls(self) -> list[list[str]]:
        """What systemctl was asked to do, without questions; forgotten afterwards."""
        path = self.home / "calls"
        lines = path.read_text().splitlines() if path.exists() else []
        path.unlink(missing_ok=True)
        return [call for call in map(json.loads, lines) if call[0] not in ("show", "is-enabled", "cat")]

    def unit(self, name: str) -> dict[str, str]:
        """A unit's state."""
        return json.loads((self.home / "units").read_text())[name]

    def change_unit(self, name: str, **values: str) -> None:
        """Change a unit behind the agent's back."""
        units = json.loads((self.home / "units").read_text())
        units[name] |= values
        (self.home / "units").write_text(json.dumps(units))

    def break_units(self, *names: str) -> None:
        """From now on these fail to start."""
        (self.home / "broken").write_text(json.dumps(names))


def is_root() -> bool:
    """Whether files can be given away here."""
    return os.geteuid() == 0
