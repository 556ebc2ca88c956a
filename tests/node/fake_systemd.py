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

# A folder a unit, a file a property; in plain shell, because it is called often.
SYSTEMCTL = """\
#!/bin/sh
home={home}
echo "$*" >> $home/calls
verb=$1; shift
for name; do
    case $name in -*|*.target) continue;; esac
    unit=$home/units/$name
    if [ ! -d $unit ]; then
        mkdir -p $unit; echo inactive > $unit/ActiveState; echo disabled > $unit/enabled; echo 0 > $unit/NRestarts
    fi
    case $verb in
    start|restart) if [ -e $home/broken/$name ]; then echo failed; else echo active; fi > $unit/ActiveState;;
    disable) echo inactive > $unit/ActiveState; echo disabled > $unit/enabled;;
    enable|add-wants) echo enabled > $unit/enabled;;
    is-enabled) cat $unit/enabled;;
    show)
        read -r state < $unit/ActiveState; read -r restarts < $unit/NRestarts; condition=yes
        [ ! -e $unit/ConditionResult ] || read -r condition < $unit/ConditionResult
        printf 'ActiveState=%s\\nNRestarts=%s\\nConditionResult=%s\\nJob=\\n\\n' $state $restarts $condition;;
    esac
done
exit 0
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
            (programs / name).write_text(source.format(home=str(node.home)))
            (programs / name).chmod(0o755)
        (node.home / "units").mkdir()
        (node.home / "broken").mkdir()
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
        calls = [line.split() for line in path.read_text().splitlines()] if path.exists() else []
        path.unlink(missing_ok=True)
        return [call for call in calls if call[0] not in ("show", "is-enabled", "cat")]

    def unit(self, name: str) -> dict[str, str]:
        """A unit's state."""
        return {path.name: path.read_text().strip() for path in (self.home / "units" / name).iterdir()}

    def change_unit(self, name: str, **values: str) -> None:
        """Change a unit behind the agent's back."""
        for key, value in values.items():
            (self.home / "units" / name / key).write_text(f"{value}\n")

    def break_units(self, *names: str) -> None:
        """From now on just these fail to start."""
        for path in (self.home / "broken").iterdir():
            path.unlink()
        for name in names:
            (self.home / "broken" / name).touch()


def is_root() -> bool:
    """Whether files can be given away here."""
    return os.geteuid() == 0
