"""Bring a node into a state, or tell whether it still is in it. Runs on the node as root.

Self-contained: the manager sends this very file, with a manifest and file contents, as one archive over SSH, and the
node's own Python (3.11 or newer, standard library only) runs it. It writes one JSON object a line to standard output.

Level-triggered: whatever an interrupted run left behind, the next one completes. What must survive an interruption is
written down before it happens: which paths and units are ours (``manifest.json``), which units still have to be
restarted (``pending.json``). ``digest`` is written last, when everything has succeeded, and removed first.
"""

from __future__ import annotations

import argparse
import contextlib
import fcntl
import grp
import hashlib
import io
import json
import os
import pwd
import re
import shutil
import signal
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

STATE = "var/lib/viaduct/state"
UNIT_DIRECTORY = "/etc/systemd/system/"
LOCK_WAIT = 30.0
UNIT_TIMEOUT = 300.0
POLL = 0.15
ALIVE_EVERY = 5.0
LOOK_EVERY = 2.0
# A unit that systemd has restarted this often while we wait for it is broken, not slow.
RESTARTS_LIMIT = 3
OUTPUT_LINES = 40
EXIT_FAILED = 1
EXIT_BUSY = 3

Manifest = dict[str, Any]


class Failed(Exception):
    """A part of the state could not be reached."""

    def __init__(self, wave: str, part: str, text: str, detail: str = "") -> None:
        super().__init__(text)
        self.event = {"event": "failed", "wave": wave, "part": part, "text": text, "detail": detail}


def emit(event: Mapping[str, object]) -> None:
    """Tell the manager. If it has gone, so does this run (BrokenPipeError)."""
    sys.stdout.write(json.dumps(event) + "\n")
    sys.stdout.flush()


class Pulse:
    """Says now and then that this run is alive, which also finds out whether anybody still listens."""

    def __init__(self) -> None:
        self.last = time.monotonic()

    def beat(self) -> None:
        if time.monotonic() - self.last > ALIVE_EVERY:
            self.last = time.monotonic()
            emit({"event": "alive"})


# --- commands -----------------------------------------------------------------------------------


def run(arguments: list[str], timeout: float = 120) -> subprocess.CompletedProcess[str]:
    """A short command of the system; its failure is the caller's to judge."""
    return subprocess.run(
        arguments,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        errors="replace",
        timeout=timeout,
        check=False,
    )


class Shell:
    """A shell command in a process group of its own, whose output goes to a file."""

    def __init__(self, command: str) -> None:
        self.output = tempfile.TemporaryFile()
        self.process = subprocess.Popen(
            ["/bin/sh", "-c", command],
            stdin=subprocess.DEVNULL,
            stdout=self.output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )

    def kill(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def tail(self) -> str:
        self.output.seek(0)
        text = self.output.read().decode(errors="replace")
        return "\n".join(text.splitlines()[-OUTPUT_LINES:])

    def close(self) -> None:
        if self.process.poll() is None:
            self.kill()
        self.output.close()


def shell(command: str, timeout: float, pulse: Pulse) -> tuple[int | None, str]:
    """Exit status (None when time ran out) and the end of the output."""
    begin = time.monotonic()
    running = Shell(command)
    try:
        while running.process.poll() is None:
            if time.monotonic() - begin > timeout:
                running.kill()
                return None, running.tail()
            pulse.beat()
            time.sleep(0.02)
        return running.process.returncode, running.tail()
    finally:
        running.close()


# --- what is kept on the node -------------------------------------------------------------------


class Node:
    """Paths below ``root`` (``/``, except in tests), and the records of former runs."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.state = root / STATE

    def path(self, absolute: str) -> Path:
        return self.root / absolute.lstrip("/")

    def read(self, name: str, default: Any) -> Any:
        try:
            return json.loads((self.state / name).read_text())
        except (OSError, ValueError):
            return default

    def write(self, name: str, value: object) -> None:
        write_file(self.state / name, json.dumps(value).encode(), 0o600, None)

    def digest(self) -> str | None:
        try:
            return (self.state / "digest").read_text().strip() or None
        except OSError:
            return None

    def forget(self, name: str) -> None:
        (self.state / name).unlink(missing_ok=True)

    @contextlib.contextmanager
    def locked(self) -> Iterator[bool]:
        """Whether this is the only run. One whose manager has died ends by itself soon, so wait a little."""
        self.state.mkdir(parents=True, exist_ok=True)
        self.state.chmod(0o700)
        deadline = time.monotonic() + float(os.environ.get("VIADUCT_LOCK_WAIT", LOCK_WAIT))
        with (self.state / "lock").open("w") as lock:
            while True:
                try:
                    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except OSError:
                    if time.monotonic() > deadline:
                        yield False
                        return
                    time.sleep(0.2)
                else:
                    yield True
                    return


# --- files --------------------------------------------------------------------------------------


def owner_ids(owner: str, group: str) -> tuple[int, int] | None:
    """Numeric owner; None when not root, who alone may give files away."""
    if os.geteuid() != 0:
        return None
    return pwd.getpwnam(owner).pw_uid, grp.getgrnam(group).gr_gid


def write_file(path: Path, content: bytes, mode: int, ids: tuple[int, int] | None) -> None:
    """Replace ``path`` at once: a reader sees the old content or the new, with the right owner and mode."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            if ids is not None:
                os.fchown(file.fileno(), *ids)
            os.fchmod(file.fileno(), mode)
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(temporary)
        raise


def same(path: Path, wanted: Mapping[str, Any]) -> bool:
    """Whether a file has the wanted content, owner and mode."""
    try:
        if path.is_symlink() or not path.is_file():
            return False
        status = path.stat()
        content = path.read_bytes()
    except OSError:
        return False
    ids = owner_ids(wanted["owner"], wanted["group"])
    return (
        status.st_mode & 0o7777 == wanted["mode"]
        and (ids is None or (status.st_uid, status.st_gid) == ids)
        and hashlib.sha256(content).hexdigest() == wanted["sha256"]
    )


def units_of_path(path: str) -> set[str]:
    """The unit that a unit file or a drop-in of its directory belongs to."""
    if not path.startswith(UNIT_DIRECTORY):
        return set()
    first = path.removeprefix(UNIT_DIRECTORY).split("/")[0]
    return {first.removesuffix(".d")}


def update_files(node: Node, manifest: Manifest, content: Callable[[str], bytes]) -> int:
    """Write what differs, remove what is no longer wanted; notes the units to restart beforehand."""
    changed = [f for f in manifest["files"] if not same(node.path(f["path"]), f)]
    former = node.read("manifest.json", {"files": [], "units": []})
    wanted = {f["path"] for f in manifest["files"]}
    gone = [f for f in former["files"] if f["path"] not in wanted]
    running = {u["name"] for wave in manifest["waves"] for u in wave["units"]}
    retired = [u for u in former["units"] if u["name"] not in running]
    node.write(
        "manifest.json",
        {"files": manifest["files"] + gone, "units": units(manifest) + retired},
    )
    pending = set(node.read("pending.json", []))
    for file in changed:
        pending |= set(file["restarts"]) | units_of_path(file["path"])
    node.write("pending.json", sorted(pending))
    if retired:
        run(["systemctl", "disable", "--now", *(u["name"] for u in retired)])
    for file in changed:
        try:
            ids = owner_ids(file["owner"], file["group"])
            write_file(node.path(file["path"]), content(file["sha256"]), file["mode"], ids)
        except (OSError, KeyError) as error:
            raise Failed("files", file["path"], f"{file['path']} cannot be written: {error}") from error
    for file in gone:
        node.path(file["path"]).unlink(missing_ok=True)
    touched = [f["path"] for f in [*changed, *gone]]
    if any(path.startswith(UNIT_DIRECTORY) for path in touched):
        run(["systemctl", "daemon-reload"])
    return len(touched)


def units(manifest: Manifest) -> list[dict[str, Any]]:
    """All units of a manifest."""
    return [unit for wave in manifest["waves"] for unit in wave["units"]]


# --- units --------------------------------------------------------------------------------------


def show(names: Iterable[str]) -> dict[str, dict[str, str]]:
    """What systemd says about units, by name."""
    names = list(names)
    if not names:
        return {}
    properties = ("ActiveState", "SubState", "Result", "ConditionResult", "NRestarts", "Job")
    done = run(["systemctl", "show", *(f"--property={p}" for p in properties), *names])
    blocks = done.stdout.strip().split("\n\n")
    return {
        name: dict(line.split("=", 1) for line in block.splitlines() if "=" in line)
        for name, block in zip(names, blocks, strict=False)
    }


def is_up(unit: Mapping[str, str]) -> bool:
    """Active; or skipped because a condition of its own does not hold here (chrony in a container)."""
    if unit.get("Job", "") not in ("", "0"):
        return False
    active = unit.get("ActiveState")
    return active == "active" or (active == "inactive" and unit.get("ConditionResult") == "no")


def is_broken(unit: Mapping[str, str], known_restarts: int) -> bool:
    if unit.get("Job", "") in ("", "0") and unit.get("ActiveState") == "failed":
        return True
    return int(unit.get("NRestarts") or 0) - known_restarts >= RESTARTS_LIMIT


def restarts(found: Mapping[str, Mapping[str, str]]) -> dict[str, int]:
    """How often systemd has restarted each unit by itself."""
    return {name: int(unit.get("NRestarts") or 0) for name, unit in found.items()}


def fail_if_broken(wave: str, found: Mapping[str, Mapping[str, str]], known: Mapping[str, int]) -> None:
    """Raises Failed for the first unit that failed for good, or fails again and again."""
    for name, unit in found.items():
        if is_broken(unit, known.get(name, 0)):
            raise Failed(wave, name, f"{name} does not start", journal(name))


def enable(names: list[str]) -> None:
    """Enable those that are not: one call, and none when nothing is to be done."""
    if not names:
        return
    states = run(["systemctl", "is-enabled", *names]).stdout.split()
    missing = [n for n, s in zip(names, states, strict=False) if s in ("disabled", "not-found", "masked")]
    if len(states) != len(names):
        missing = names
    if missing:
        done = run(["systemctl", "enable", *missing])
        if done.returncode:
            raise Failed("files", " ".join(missing), "units cannot be enabled", done.stderr.strip())


def start_units(node: Node, wave: Manifest) -> None:
    """Ask systemd to start (or restart, or stop) a wave's units, without waiting."""
    pending = set(node.read("pending.json", []))
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
                raise Failed(
                    wave["name"], " ".join(names), f"systemd would not {verb} them", done.stderr.strip()
                )


def await_units(node: Node, wave: Manifest, begin: float, pulse: Pulse, known: Mapping[str, int]) -> None:
    """Until all of a wave's units run. Raises Failed for the first that will not."""
    waiting = [u["name"] for u in wave["units"] if u["running"]]
    while waiting:
        found = show(waiting)
        fail_if_broken(wave["name"], found, known)
        up = [name for name in waiting if is_up(found.get(name, {}))]
        for name in up:
            emit({"event": "unit", "name": name, "seconds": round(time.monotonic() - begin, 1)})
        if up:
            node.write("pending.json", sorted(set(node.read("pending.json", [])) - set(up)))
        waiting = [name for name in waiting if name not in up]
        if not waiting:
            return
        if time.monotonic() - begin > UNIT_TIMEOUT:
            name = waiting[0]
            text = f"{name} did not start within {UNIT_TIMEOUT:.0f} s"
            raise Failed(wave["name"], name, text, journal(name))
        pulse.beat()
        time.sleep(POLL)


def journal(unit: str) -> str:
    """The last lines that a unit logged."""
    done = run(["journalctl", "-u", unit, "-n", str(OUTPUT_LINES), "--no-pager", "-o", "short"])
    return done.stdout.strip()


# --- waves --------------------------------------------------------------------------------------


def run_one_shot(wave: str, one_shot: Mapping[str, Any], pulse: Pulse) -> None:
    """Nothing if its probe succeeds; else the command, after which the probe must succeed."""
    begin = time.monotonic()
    if shell(one_shot["probe"], 60, pulse)[0] == 0:
        return
    status, output = shell(one_shot["command"], one_shot["timeout"], pulse)
    name = one_shot["name"]
    if status is None:
        raise Failed(wave, name, f"'{name}' did not end within {one_shot['timeout']} s", output)
    if status:
        raise Failed(wave, name, f"'{name}' failed with exit status {status}", output)
    if shell(one_shot["probe"], 60, pulse)[0] != 0:
        raise Failed(wave, name, f"'{name}' ended well, but has not had its effect", output)
    emit({"event": "one-shot", "name": name, "seconds": round(time.monotonic() - begin, 1)})


def run_checks(wave: Manifest, manifest: Manifest, pulse: Pulse) -> None:
    """All checks side by side, each repeated until it passes, its time is up, or a unit turns out to be broken."""
    begin = last_look = time.monotonic()
    names = [u["name"] for u in units(manifest) if u["running"]]
    known = restarts(show(names)) if wave["checks"] else {}
    waiting: list[Mapping[str, Any]] = list(wave["checks"])
    running: dict[str, Shell] = {}
    again: dict[str, float] = {}
    try:
        while waiting:
            now = time.monotonic()
            for check in list(waiting):
                name = check["name"]
                if name not in running and now >= again.get(name, 0):
                    running[name] = Shell(check["command"])
                shell_ = running.get(name)
                late = now - begin > check["timeout"]
                if shell_ is not None and shell_.process.poll() == 0:
                    emit({"event": "check", "name": name, "seconds": round(now - begin, 1)})
                    waiting.remove(check)
                elif shell_ is not None and (shell_.process.returncode is not None or late):
                    if late:
                        shell_.kill()
                        raise _check_failed(wave, check, shell_.tail())
                    running.pop(name).close()
                    again[name] = now + 0.5
            if now - last_look > LOOK_EVERY:
                last_look = now
                fail_if_broken(wave["name"], show(names), known)
            pulse.beat()
            time.sleep(0.05)
    finally:
        for shell_ in running.values():
            shell_.close()


def _check_failed(wave: Manifest, check: Mapping[str, Any], output: str) -> Failed:
    name = check["name"]
    return Failed(wave["name"], name, f"'{name}' is not true after {check['timeout']} s", output)


def unwell(manifest: Manifest) -> str:
    """The journal of units that are not up or were restarted by systemd: the likely reason of a failed check."""
    names = [u["name"] for u in units(manifest) if u["running"]]
    found = show(names)
    bad = [
        n
        for n in names
        if not is_up(found.get(n, {})) or found.get(n, {}).get("NRestarts", "0") not in ("", "0")
    ]
    return "\n".join(f"{name}:\n{journal(name)}" for name in bad[:3])


def run_wave(node: Node, wave: Manifest, manifest: Manifest, pulse: Pulse) -> None:
    """Units, one-shots, checks."""
    begin = time.monotonic()
    known = restarts(show(u["name"] for u in wave["units"]))
    start_units(node, wave)
    for one_shot in wave["one_shots"]:
        run_one_shot(wave["name"], one_shot, pulse)
    await_units(node, wave, begin, pulse, known)
    run_checks(wave, manifest, pulse)
    seconds = round(time.monotonic() - begin, 1)
    emit({"event": "wave", "name": wave["name"], "seconds": seconds})


def restart_others(node: Node, manifest: Manifest) -> None:
    """Units that no wave has, but that read a file that changed (an image's own services)."""
    ours = {u["name"] for u in units(manifest)}
    pending = set(node.read("pending.json", []))
    others = sorted(pending - ours)
    known = [name for name in others if run(["systemctl", "cat", name]).returncode == 0]
    if known:
        run(["systemctl", "restart", *known])
    if others:
        node.write("pending.json", sorted(pending & ours))


def apply(node: Node, manifest: Manifest, content: Callable[[str], bytes]) -> None:
    """Everything, in order. Raises Failed."""
    problems = troubles(node, manifest["digest"])
    if not problems:
        emit({"event": "unchanged"})
        return
    node.forget("digest")
    changed = update_files(node, manifest, content)
    emit({"event": "files", "changed": changed, "total": len(manifest["files"])})
    enable([u["name"] for u in units(manifest) if u["running"]])
    restart_others(node, manifest)
    pulse = Pulse()
    try:
        for wave in manifest["waves"]:
            run_wave(node, wave, manifest, pulse)
    except Failed as failure:
        if failure.event["part"] not in {u["name"] for u in units(manifest)}:
            failure.event["detail"] = f"{failure.event['detail']}\n{unwell(manifest)}".strip()
        raise
    node.write("manifest.json", {"files": manifest["files"], "units": units(manifest)})
    write_file(node.state / "digest", (manifest["digest"] + "\n").encode(), 0o600, None)


def troubles(node: Node, wanted: str | None = None) -> list[str]:
    """Why the node is not in the state last applied (or in the one whose digest is ``wanted``); empty if it is."""
    digest = node.digest()
    if digest is None:
        return ["no state has been applied whole"]
    if wanted is not None and digest != wanted:
        return ["another state was applied"]
    if node.read("pending.json", []):
        return ["a restart is due"]
    manifest = node.read("manifest.json", {"files": [], "units": []})
    found = [f"{f['path']} was changed" for f in manifest["files"] if not same(node.path(f["path"]), f)]
    names = [u["name"] for u in manifest["units"] if u["running"]]
    states = show(names)
    found += [f"{name} is not running" for name in names if not is_up(states.get(name, {}))]
    return found


# --- secrets ------------------------------------------------------------------------------------


def secrets(manifest: Manifest, content: Callable[[str], bytes]) -> list[str]:
    """Values in files that not everybody may read which look like secrets: they must not get into messages."""
    found: set[str] = set()
    pattern = re.compile(
        r"(?im)^[^#\n=:]*(?:password|secret|key(?!stone)|cookie|hash)[\w\"]*\s*[=:]\s*\"?([^\"\n]+?)\"?,?\s*$|://[^:/\s]+:([^@/\s]+)@"
    )
    for file in manifest["files"]:
        if file["mode"] & 0o004:
            continue
        text = content(file["sha256"]).decode(errors="replace")
        if "=" not in text and ":" not in text:
            found.add(text.strip())
        for match in pattern.finditer(text):
            found.add(next(group for group in match.groups() if group))
    return sorted((s for s in found if len(s) >= 6), key=len, reverse=True)


def redact(text: str, hidden: Iterable[str]) -> str:
    for secret in hidden:
        text = text.replace(secret, "***")
    return text


# --- entry --------------------------------------------------------------------------------------


def main(arguments: list[str], archive: bytes) -> int:
    parser = argparse.ArgumentParser(prog="viaduct-agent")
    parser.add_argument("action", choices=("apply", "status"))
    parser.add_argument("--root", type=Path, default=Path("/"))
    options = parser.parse_args(arguments)
    os.umask(0o022)
    node = Node(options.root)
    if options.action == "status":
        problems = troubles(node)
        emit({"event": "status", "digest": None if problems else node.digest(), "problems": problems})
        return 0
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar, node.locked() as alone:
        if not alone:
            emit({"event": "busy"})
            return EXIT_BUSY

        def member(name: str) -> bytes:
            file = tar.extractfile(name)
            assert file is not None
            return file.read()

        def content(sha256: str) -> bytes:
            return member(f"content/{sha256}")

        manifest = json.loads(member("manifest.json"))
        try:
            apply(node, manifest, content)
        except Failed as failure:
            hidden = secrets(manifest, content)
            emit({k: redact(v, hidden) for k, v in failure.event.items()})
            return EXIT_FAILED
        emit({"event": "done"})
    return 0


def start() -> None:
    """Entry of the program that the manager sends: the archive is a global of its bootstrap."""
    if shutil.which("systemctl") is None:
        sys.exit("there is no systemctl: this is not a node")
    try:
        sys.exit(main(sys.argv[1:], globals()["ARCHIVE"]))
    except BrokenPipeError:
        os._exit(EXIT_FAILED)


if __name__ == "__main__":
    start()
