"""The agent against a folder and a fake systemd: what it changes, and what an interruption leaves."""

from __future__ import annotations

import fcntl
import grp
import os
import pwd
import time
from dataclasses import replace
from pathlib import Path

import pytest

from node.fake_systemd import FakeNode
from viaduct.model.node_state import Check, File, NodeState, OneShot, Unit, Wave
from viaduct.node.archive import state_archive

ME = pwd.getpwuid(os.geteuid()).pw_name
MY_GROUP = grp.getgrgid(os.getegid()).gr_name


def a_file(path: str, content: str, *, mode: int = 0o644, restarts: tuple[str, ...] = ()) -> File:
    return File(path, content.encode(), owner=ME, group=MY_GROUP, mode=mode, restarts=restarts)


def a_state(*files: File, waves: tuple[Wave, ...] = ()) -> NodeState:
    return NodeState("node1", files, waves)


CONFIG = a_file("/etc/a/a.conf", "a = 1\n", restarts=("a.service",))
UNIT_FILE = a_file("/etc/systemd/system/a.service", "[Service]\n")
OTHER = a_file("/etc/b.conf", "b = 1\n", mode=0o600, restarts=("b.service",))
WAVES = (Wave("one", units=(Unit("a.service"), Unit("b.service"))),)
STATE = a_state(CONFIG, UNIT_FILE, OTHER, waves=WAVES)


@pytest.fixture
def node(tmp_path: Path) -> FakeNode:
    return FakeNode.make(tmp_path)


def names(events: list[dict[str, object]]) -> list[object]:
    return [event["event"] for event in events if event["event"] != "alive"]


def test_applies_files_units_and_digest(node: FakeNode) -> None:
    assert node.digest() is None
    status, events = node.apply(STATE)
    assert status == 0
    assert names(events) == ["files", "unit", "unit", "wave", "done"]
    assert (node.root / "etc/a/a.conf").read_text() == "a = 1\n"
    assert (node.root / "etc/b.conf").stat().st_mode & 0o777 == 0o600
    assert node.unit("a.service") == {"ActiveState": "active", "enabled": "enabled", "NRestarts": "0"}
    assert ["daemon-reload"] in node.calls()
    assert node.digest() == STATE.digest()


def test_equal_state_is_left_alone(node: FakeNode) -> None:
    node.apply(STATE)
    node.calls()
    status, events = node.apply(STATE)
    assert (status, names(events)) == (0, ["unchanged", "done"])
    assert node.calls() == []


def test_only_what_changed_is_written_and_restarted(node: FakeNode) -> None:
    node.apply(STATE)
    node.calls()
    before = (node.root / "etc/b.conf").stat().st_ino
    changed = a_state(replace(CONFIG, content=b"a = 2\n"), UNIT_FILE, OTHER, waves=WAVES)
    status, events = node.apply(changed)
    assert status == 0
    assert events[0] == {"event": "files", "changed": 1, "total": 3}
    calls = node.calls()
    assert ["restart", "--no-block", "a.service"] in calls
    assert ["start", "--no-block", "b.service"] in calls
    assert ["daemon-reload"] not in calls
    assert (node.root / "etc/b.conf").stat().st_ino == before
    assert node.digest() == changed.digest()


def test_changed_mode_alone_is_repaired(node: FakeNode) -> None:
    node.apply(STATE)
    (node.root / "etc/b.conf").chmod(0o644)
    assert node.digest() is None
    node.apply(STATE)
    assert (node.root / "etc/b.conf").stat().st_mode & 0o777 == 0o600
    assert node.digest() == STATE.digest()


def test_unit_file_and_drop_in_restart_their_unit(node: FakeNode) -> None:
    node.apply(STATE)
    node.calls()
    drop_in = a_file("/etc/systemd/system/b.service.d/x.conf", "[Service]\n")
    node.apply(a_state(CONFIG, replace(UNIT_FILE, content=b"[Unit]\n"), OTHER, drop_in, waves=WAVES))
    calls = node.calls()
    assert ["daemon-reload"] in calls
    assert ["restart", "--no-block", "a.service", "b.service"] in calls


def test_removes_files_and_units_of_the_former_state(node: FakeNode) -> None:
    node.apply(STATE)
    node.calls()
    stranger = node.root / "etc/a/stranger.conf"
    stranger.write_text("not ours\n")
    status, _ = node.apply(a_state(OTHER, waves=(Wave("one", units=(Unit("b.service"),)),)))
    assert status == 0
    assert not (node.root / "etc/a/a.conf").exists()
    assert not (node.root / "etc/systemd/system/a.service").exists()
    assert stranger.exists()
    calls = node.calls()
    assert calls.index(["disable", "--now", "a.service"]) < calls.index(["daemon-reload"])
    assert node.unit("a.service")["ActiveState"] == "inactive"


def test_unit_that_shall_not_run_is_stopped(node: FakeNode) -> None:
    node.apply(STATE)
    waves = (Wave("one", units=(Unit("a.service", running=False), Unit("b.service"))),)
    state = a_state(CONFIG, UNIT_FILE, OTHER, waves=waves)
    assert node.apply(state)[0] == 0
    assert node.unit("a.service")["enabled"] == "disabled"
    assert node.digest() == state.digest()


def test_units_outside_the_waves_are_restarted_too(node: FakeNode) -> None:
    node.apply(a_state(a_file("/etc/sshd", "x", restarts=("ssh.service",)), waves=WAVES))
    assert ["restart", "ssh.service"] in node.calls()


def test_dead_unit_and_changed_file_deny_the_digest(node: FakeNode) -> None:
    node.apply(STATE)
    node.change_unit("a.service", ActiveState="failed")
    assert node.digest() is None
    node.change_unit("a.service", ActiveState="active")
    assert node.digest() == STATE.digest()
    (node.root / "etc/a/a.conf").write_text("a = 3\n")
    assert node.digest() is None
    (node.root / "etc/a/a.conf").unlink()
    assert node.digest() is None
    node.apply(STATE)
    assert node.digest() == STATE.digest()


def test_unit_skipped_by_its_own_condition_counts_as_up(node: FakeNode) -> None:
    node.apply(STATE)
    node.change_unit("a.service", ActiveState="inactive", ConditionResult="no")
    assert node.digest() == STATE.digest()


def one_shot(name: str, command: str, probe: str, timeout: int = 20) -> Wave:
    return Wave("one", one_shots=(OneShot(name, command, probe, timeout),))


def test_one_shot_runs_until_its_probe_succeeds_and_then_never(node: FakeNode) -> None:
    state = a_state(waves=(one_shot("make", 'echo x >> "$ROOT/made"', 'test -s "$ROOT/made"'),))
    assert names(node.apply(state)[1]) == ["files", "one-shot", "wave", "done"]
    (node.root / "var/lib/viaduct/state/digest").unlink()
    assert names(node.apply(state)[1]) == ["files", "wave", "done"]
    assert (node.root / "made").read_text() == "x\n"


@pytest.mark.parametrize(
    ("command", "probe", "timeout", "said"),
    [
        ("echo why; exit 3", "false", 20, "failed with exit status 3"),
        ("true", "false", 20, "has not had its effect"),
        ("sleep 30", "false", 0, "did not end within 0 s"),
    ],
)
def test_failing_one_shot_is_named(node: FakeNode, command: str, probe: str, timeout: int, said: str) -> None:
    begin = time.monotonic()
    status, events = node.apply(a_state(CONFIG, waves=(one_shot("make it", command, probe, timeout),)))
    assert status == 1
    assert events[-1]["event"] == "failed"
    assert events[-1]["part"] == "make it"
    assert said in events[-1]["text"]
    if "why" in command:
        assert "why" in events[-1]["detail"]
    assert node.digest() is None
    assert time.monotonic() - begin < 15


def test_check_is_repeated_until_true(node: FakeNode) -> None:
    command = 'echo x >> "$ROOT/tries"; test $(wc -l < "$ROOT/tries") -ge 3'
    status, events = node.apply(a_state(waves=(Wave("one", checks=(Check("third time", command, 20),)),)))
    assert status == 0
    assert names(events) == ["files", "check", "wave", "done"]


def test_check_that_stays_false_fails_with_its_output(node: FakeNode) -> None:
    waves = (Wave("one", checks=(Check("never", "echo not yet; false", 1),)),)
    status, events = node.apply(a_state(waves=waves))
    assert status == 1
    assert "'never' is not true after 1 s" in events[-1]["text"]
    assert "not yet" in events[-1]["detail"]


def test_broken_unit_fails_at_once_with_its_journal(node: FakeNode) -> None:
    node.break_units("a.service")
    (node.home / "journal").write_text("it hurts\n")
    begin = time.monotonic()
    status, events = node.apply(STATE)
    assert status == 1
    assert events[-1]["part"] == "a.service"
    assert "it hurts" in events[-1]["detail"]
    assert time.monotonic() - begin < 10
    node.break_units()
    assert node.apply(STATE)[0] == 0
    assert node.digest() == STATE.digest()


def test_secrets_do_not_reach_the_detail(node: FakeNode) -> None:
    secret = a_file(
        "/etc/a/a.conf",
        "connection = mysql://nova:TOPSECRET1@db/nova\npassword = TOP\\$ECRET2\nmode = visible-value\n",
        mode=0o640,
        restarts=("a.service",),
    )
    key = a_file("/etc/a/key", "KEYMATERIAL", mode=0o400)
    node.break_units("a.service")
    (node.home / "journal").write_text("TOPSECRET1 TOP$ECRET2 TOP\\$ECRET2 KEYMATERIAL visible-value\n")
    _, events = node.apply(a_state(secret, key, UNIT_FILE, waves=WAVES))
    assert events[-1]["detail"] == "*** *** *** *** visible-value"


def test_restart_that_was_interrupted_is_made_up_for(node: FakeNode) -> None:
    """The file is as it shall be, but the unit was not restarted any more: the next run must do so."""
    node.apply(STATE)
    changed = a_state(replace(CONFIG, content=b"a = 2\n"), UNIT_FILE, OTHER, waves=WAVES)
    blocked = replace(
        changed, waves=(one_shot("block", 'touch "$ROOT/blocked"; sleep 60', "false", 60), *WAVES)
    )
    process = node.start(state_archive(blocked), "apply")
    deadline = time.monotonic() + 20
    while not (node.root / "blocked").exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    process.kill()
    process.communicate()
    assert (node.root / "etc/a/a.conf").read_text() == "a = 2\n"
    assert node.digest() is None, "interrupted is not done"
    node.calls()
    assert node.apply(changed)[0] == 0
    assert ["restart", "--no-block", "a.service"] in node.calls()
    assert node.digest() == changed.digest()


def test_files_of_an_interrupted_state_are_known_as_ours(node: FakeNode) -> None:
    failing = a_state(CONFIG, OTHER, waves=(one_shot("fail", "false", "false"),))
    assert node.apply(failing)[0] == 1
    assert (node.root / "etc/a/a.conf").exists()
    assert node.apply(a_state(OTHER))[0] == 0
    assert not (node.root / "etc/a/a.conf").exists()


def test_one_run_at_a_time(node: FakeNode) -> None:
    node.apply(STATE)
    with (node.root / "var/lib/viaduct/state/lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        status, events = node.apply(a_state(CONFIG))
    assert (status, names(events)) == (3, ["busy"])
    assert (node.root / "etc/b.conf").exists(), "a refused run changes nothing"


def test_run_ends_when_its_manager_has_gone(node: FakeNode) -> None:
    """As after kill -9 of the manager: nobody reads on, so the agent stops and gives the lock back."""
    waves = (Wave("one", checks=(Check("never", "false", 60),)),)
    process = node.start(state_archive(a_state(CONFIG, waves=waves)), "apply")
    assert process.stdout is not None
    process.stdout.readline()
    process.stdout.close()
    assert process.wait(timeout=20) != 0
    if process.stderr:
        process.stderr.close()


def test_link_in_place_of_a_file_is_replaced(node: FakeNode) -> None:
    target = node.root / "elsewhere"
    target.write_text("a = 1\n")
    (node.root / "etc/a").mkdir(parents=True)
    (node.root / "etc/a/a.conf").symlink_to(target)
    node.apply(STATE)
    assert not (node.root / "etc/a/a.conf").is_symlink()


def test_unknown_owner_is_named(node: FakeNode) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root gives files away")
    status, events = node.apply(a_state(replace(CONFIG, owner="nobody-at-all")))
    assert status == 1
    assert "nobody-at-all" in events[-1]["text"]


def test_directories_of_protected_files_are_protected(node: FakeNode) -> None:
    node.apply(
        a_state(
            a_file("/etc/keys/1", "k", mode=0o640),
            a_file("/etc/keys/2", "k", mode=0o600),
            a_file("/etc/mixed/open", "o"),
            a_file("/etc/mixed/inner/secret", "s", mode=0o600),
        )
    )
    modes = {
        name: (node.root / "etc" / name).stat().st_mode & 0o777 for name in ("keys", "mixed", "mixed/inner")
    }
    assert modes == {"keys": 0o750, "mixed": 0o755, "mixed/inner": 0o750}


def test_nothing_temporary_is_left(node: FakeNode) -> None:
    node.apply(STATE)
    left = [p for p in node.root.rglob("*") if p.name.startswith(".")]
    assert left == []
