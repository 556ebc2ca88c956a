#!/usr/bin/env python3
"""Prints the figures that Viaduct promises: cold `up`, warm deploy, `up` with nothing to do, memory of the node.

Run as root: ``bench/figures.py [--state DIR] [--skip-cold]``. The state directory (default
/var/lib/viaduct-bench) is removed before and after, so never give one in use. The cold run includes the build of
the appliance; Debian packages that the machine has already are not installed again.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from machine import describe

HOME = Path(__file__).resolve().parents[1]


@dataclass(frozen=True)
class Run:
    """A run of ``up``: wall-clock seconds and its events."""

    seconds: float
    events: list[dict[str, Any]]

    def steps(self) -> list[tuple[float, str]]:
        """(seconds, title) of each step, longest first."""
        done = [(e.get("seconds", 0.0), e["title"]) for e in self.events if e["kind"] == "step-done"]
        return sorted(done, reverse=True)

    def seconds_until(self, text: str, since: str) -> float | None:
        """Seconds from the start of the step titled ``since`` until progress that begins with ``text``."""
        start = next(
            (at(e) for e in self.events if e["kind"] == "step-started" and e["title"].startswith(since)), None
        )
        end = next((at(e) for e in self.events if e.get("text", "").startswith(text)), None)
        return None if start is None or end is None else (end - start).total_seconds()


def at(event: dict[str, Any]) -> datetime:
    return datetime.fromisoformat(event["at"])


def command(state: Path, *words: str) -> list[str]:
    return [str(HOME / "viaduct"), "--state", str(state), *words]


def up(state: Path) -> Run:
    """Run ``up``; ends the benchmark when it fails."""
    started = time.monotonic()
    done = subprocess.run(command(state, "up"), capture_output=True, text=True, timeout=3600, check=False)
    seconds = time.monotonic() - started
    if done.returncode:
        sys.exit(f"up failed:\n{done.stdout[-4000:]}{done.stderr[-2000:]}")
    log = max((state / "log").glob("*.jsonl"), key=lambda path: path.stat().st_mtime)
    return Run(seconds, [json.loads(line) for line in log.read_text().splitlines()])


def report(name: str, seconds: float, goal: float, run: Run | None = None) -> None:
    verdict = "met" if seconds <= goal else f"missed by {seconds - goal:.0f} s"
    print(f"{name:48} {seconds:8.1f} s   goal {goal:.0f} s: {verdict}", flush=True)
    for part, title in run.steps()[:6] if run else ():
        print(f"    {part:8.1f} s  {title}")


def lose_node(state: Path) -> None:
    """Delete the cloud's VMs in vCenter, as an accident would: what follows is a warm deploy."""
    python = next(state.glob("venv/manager-*/bin/python"))
    subprocess.run([str(python), str(HOME / "bench" / "lose_nodes.py"), str(state)], check=True, timeout=120)


def node_memory(state: Path) -> float:
    """MiB that the node's guest holds: anonymous and shared memory of its control group, without page cache."""
    lab_id = json.loads((state / "lab" / "lab.json").read_text())["id"]
    roots = [Path("/sys/fs/cgroup/memory"), Path("/sys/fs/cgroup")]
    for root in roots:
        for group in (root / f"viaduct-{lab_id}").glob("*/"):
            values = dict(line.split() for line in (group / "memory.stat").read_text().splitlines())
            anonymous = int(values.get("total_rss", values.get("anon", 0)))
            shared = int(values.get("total_shmem", values.get("shmem", 0)))
            return (anonymous + shared) / (1 << 20)
    raise SystemExit("no guest's control group was found")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--state", type=Path, default=Path("/var/lib/viaduct-bench"))
    parser.add_argument("--skip-cold", action="store_true", help="keep and use what the state directory has")
    parser.add_argument("--keep", action="store_true", help="leave the cloud running at the end")
    options = parser.parse_args()
    state: Path = options.state
    print(describe())
    if not options.skip_cold:
        if state.exists():
            subprocess.run(command(state, "down", "--purge", "--yes"), check=False, timeout=600)
            shutil.rmtree(state, ignore_errors=True)
        cold = up(state)
        report("cold up: bare state directory to verified cloud", cold.seconds, 360, cold)
    else:
        up(state)
    print(f"{'memory of the tiny node after verify':48} {node_memory(state):8.0f} MiB goal 3072 MiB")
    idle = min(up(state).seconds for _ in range(3))
    report("up with nothing to do (best of 3)", idle, 10)
    lose_node(state)
    warm = up(state)
    booted = warm.seconds_until("boot a server", "Clone node1")
    report(
        "warm deploy: clone to first booted server", booted if booted is not None else warm.seconds, 60, warm
    )
    if not options.keep:
        subprocess.run(command(state, "down", "--purge", "--yes"), check=False, timeout=600)


if __name__ == "__main__":
    main()
