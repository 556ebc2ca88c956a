"""systemd's units."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping

from .commands import OUTPUT_LINES, run
from .output import Failed, Pulse, emit, since
from .records import Manifest, Node

UNIT_TIMEOUT = 300.0
POLL = 0.15
# A unit that systemd has restarted this often while we wait for it is broken, not slow.
RESTARTS_LIMIT = 3

Properties = Mapping[str, str]


def show(names: Iterable[str]) -> dict[str, dict[str, str]]:
    """What systemd says about units, by name."""
    names = list(names)
    if not names:
        return {}
    properties = ("ActiveState", "ConditionResult", "NRestarts", "Job")
    done = run(["systemctl", "show", *(f"--property={p}" for p in properties), *names])
    blocks = done.stdout.strip().split("\n\n")
    return {
        name: dict(line.split("=", 1) for line in block.splitlines() if "=" in line)
        for name, block in zip(names, blocks, strict=False)
    }


def is_up(unit: Properties) -> bool:
    """Active; or skipped because a condition of its own does not hold here (chrony in a container)."""
    if unit.get("Job", "") not in ("", "0"):
        return False
    active = unit.get("ActiveState")
    return active == "active" or (active == "inactive" and unit.get("ConditionResult") == "no")


def not_up(names: Iterable[str]) -> list[str]:
    """Those of ``names`` that are not up."""
    found = show(names)
    return [name for name in names if not is_up(found.get(name, {}))]


def restarts(found: Mapping[str, Properties]) -> dict[str, int]:
    """How often systemd has restarted each unit by itself."""
    return {name: int(unit.get("NRestarts") or 0) for name, unit in found.items()}


def is_broken(unit: Properties, known_restarts: int) -> bool:
    """Failed for good, or again and again."""
    if unit.get("Job", "") in ("", "0") and unit.get("ActiveState") == "failed":
        return True
    return int(unit.get("NRestarts") or 0) - known_restarts >= RESTARTS_LIMIT


def fail_if_broken(wave: str, found: Mapping[str, Properties], known: Mapping[str, int]) -> None:
    """Raises Failed for the first broken unit. ``known``: restarts that there had been before."""
    for name, unit in found.items():
        if is_broken(unit, known.get(name, 0)):
            raise Failed(wave, name, f"{name} does not start", journal(name))


def enable(names: list[str]) -> None:
    """Enable those that are not: one call a kind, and none when nothing is to be done. Raises Failed.

    Services are hooked into the boot by ``add-wants``: ``enable`` would run Debian's SysV scripts for each.
    """
    if not names:
        return
    states = run(["systemctl", "is-enabled", *names]).stdout.split()
    if len(states) == len(names):
        names = [n for n, s in zip(names, states, strict=True) if s in ("disabled", "not-found", "masked")]
    services = [name for name in names if name.endswith(".service")]
    others = [name for name in names if name not in services]
    for command, wanted in ((["add-wants", "multi-user.target"], services), (["enable"], others)):
        if wanted:
            done = run(["systemctl", *command, *wanted])
            if done.returncode:
                raise Failed("files", " ".join(wanted), "units cannot be enabled", done.stderr.strip())


def start_units(node: Node, wave: Manifest) -> None:
    """Ask systemd to start (or restart, or stop) a wave's units, without waiting."""
    pending = node.pending()
    wanted = [u["name"] for u in wave["units"] if u["running"]]
    stopped = [u["name"] for u in wave["units"] if not u["running"]]
    if stopped:
        run(["systemctl", "disable", "--now", *stopped])
    restart = [name for name in wanted if name in pending]
    start = [name for name in wanted if name not in pending]
    for verb, names in (("restart", restart), ("start", start)):
        if names:
            run(["systemctl", "reset-failed", *names])
            done = run(["systemctl", verb, "--no-block", *names])
            if done.returncode:
                text = f"systemd would not {verb} them"
                raise Failed(wave["name"], " ".join(names), text, done.stderr.strip())
    # It is systemd's job now, whatever becomes of us: restarting a program in the middle of its start does harm.
    node.set_pending(pending - set(restart))


def await_units(wave: Manifest, begin: float, pulse: Pulse, known: Mapping[str, int]) -> None:
    """Until all of a wave's units run, which began at ``begin``.

    Raises Failed for the first that will not.
    """
    waited = time.monotonic()
    waiting = [u["name"] for u in wave["units"] if u["running"]]
    while waiting:
        found = show(waiting)
        fail_if_broken(wave["name"], found, known)
        up = [name for name in waiting if is_up(found.get(name, {}))]
        for name in up:
            emit({"event": "unit", "name": name, "seconds": since(begin)})
        waiting = [name for name in waiting if name not in up]
        if waiting and time.monotonic() - waited > UNIT_TIMEOUT:
            text = f"{waiting[0]} did not start within {UNIT_TIMEOUT:.0f} s"
            raise Failed(wave["name"], waiting[0], text, journal(waiting[0]))
        pulse.beat()
        time.sleep(POLL if waiting else 0)


def restart_others(node: Node, ours: set[str]) -> None:
    """Units that no wave has, but that read a file that changed (the image's own services)."""
    pending = node.pending()
    others = sorted(pending - ours)
    known = [name for name in others if run(["systemctl", "cat", name]).returncode == 0]
    if known:
        run(["systemctl", "restart", *known])
    if others:
        node.set_pending(pending & ours)


def journal(unit: str) -> str:
    """The last lines that a unit logged."""
    done = run(["journalctl", "-u", unit, "-n", str(OUTPUT_LINES), "--no-pager", "-o", "short"])
    return done.stdout.strip()


def suspects(names: list[str], part: str) -> str:
    """The journal of units that may be why ``part`` failed.

    Those that are not up, that systemd had to restart, or that it speaks of ("nova-compute serves").
    """
    found = show(names)
    words = [word for word in part.split() if "-" in word]
    bad = [
        name
        for name in names
        if not is_up(found.get(name, {}))
        or restarts(found).get(name, 0)
        or any(word in name for word in words)
    ]
    return "\n".join(f"{name}:\n{journal(name)}" for name in bad[:3])
