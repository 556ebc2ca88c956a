"""The command line: clean errors, and a lab without guests from start to purge."""

import errno
import json
import os

import pytest
from click.testing import CliRunner

from viaduct_lab.__main__ import cli
from viaduct_lab.host.commands import CommandError
from viaduct_lab.lab import preflight, registry, service


@pytest.fixture(autouse=True)
def labs(tmp_path, monkeypatch):
    """A registry of this test's own."""
    monkeypatch.setattr(registry, "DIRECTORY", tmp_path / "labs")
    return tmp_path / "labs"


@pytest.fixture
def run(tmp_path):
    def run(*arguments):
        return CliRunner().invoke(cli, ["--state", str(tmp_path / "lab"), *arguments])

    return run


def test_status_of_nothing(run):
    done = run("status", "--json")
    assert done.exit_code == 0
    assert json.loads(done.output) == {"running": False, "exists": False}
    assert "no lab" in run("status").output


def test_purge_of_nothing(run):
    assert run("purge").exit_code == 0


@pytest.mark.parametrize("command", ["stop", "reset"])
def test_commands_that_need_a_lab(run, command):
    done = run(command)
    assert done.exit_code == 1
    assert done.stderr.startswith("error LAB-011: ")
    assert "what to do: " in done.stderr
    assert "Traceback" not in done.output


def test_not_root(run, monkeypatch):
    monkeypatch.setattr(preflight.os, "geteuid", lambda: 1000)
    done = run("start")
    assert done.exit_code == 1
    assert done.stderr.startswith("error LAB-001: ")
    assert "--no-guests" in done.stderr


def test_missing_tools(run, monkeypatch):
    monkeypatch.setattr(preflight.os, "geteuid", lambda: 0)
    monkeypatch.setattr(preflight, "missing_packages", lambda: ("ethtool", "nftables"))
    done = run("start")
    assert done.exit_code == 1
    assert done.stderr.startswith("error LAB-002: ")
    assert "apt-get install --no-install-recommends ethtool nftables" in done.stderr


@pytest.mark.parametrize("refused", range(len(preflight._KERNEL_PROBES)))
def test_an_unfit_kernel(run, monkeypatch, refused):
    command, what = preflight._KERNEL_PROBES[refused]
    monkeypatch.setattr(preflight.os, "geteuid", lambda: 0)
    monkeypatch.setattr(preflight, "missing_packages", lambda: ())
    monkeypatch.setattr(preflight, "succeeds", lambda *argv, timeout: argv != command)
    done = run("start")
    assert done.exit_code == 1
    assert done.stderr.startswith("error LAB-003: ")
    assert what in done.stderr


def test_an_image_that_is_not_there(run, tmp_path):
    done = run("start", "--no-guests", "--image", str(tmp_path / "none"))
    assert done.exit_code == 1
    assert done.stderr.startswith("error LAB-007: ")
    assert not (tmp_path / "lab" / "lab.json").exists()
    assert not (tmp_path / "labs").exists()


@pytest.mark.parametrize(
    ("raised", "code", "says"),
    [
        (OSError(errno.ENOSPC, "No space left on device", "/x"), "LAB-005", "continues"),
        (PermissionError(errno.EACCES, "Permission denied", "/x"), "LAB-001", "as root"),
        (CommandError(("ip", "link"), "boom"), "LAB-014", "ip link: boom"),
    ],
)
def test_failures_of_the_machine_are_explained(run, monkeypatch, raised, code, says):
    def fail(self):
        raise raised

    monkeypatch.setattr(service.Lab, "status", fail)
    done = run("status")
    assert done.exit_code == 1
    assert done.stderr.startswith(f"error {code}: ")
    assert says in done.stderr


def test_another_command_at_work(run, tmp_path):
    (tmp_path / "lab").mkdir()
    with service.Lab(tmp_path / "lab")._working():
        done = run("start", "--no-guests")
    assert done.exit_code == 1
    assert done.stderr.startswith("error LAB-010: ")
    assert str(os.getpid()) in done.stderr


def test_a_damaged_lab_can_be_purged(run, tmp_path):
    (tmp_path / "lab").mkdir()
    (tmp_path / "lab" / "lab.json").write_text("{")
    assert run("status").exit_code == 1
    assert run("purge").exit_code == 0
    assert not (tmp_path / "lab").exists()


def test_what_a_killed_start_left_is_purged(run, tmp_path):
    (tmp_path / "lab" / ".probe-x" / "lower").mkdir(parents=True)
    for name in ("lab.new", ".vcenter-password.new"):
        (tmp_path / "lab" / name).write_text("{")
    assert run("purge").exit_code == 0
    assert not (tmp_path / "lab").exists()


def test_purge_spares_what_it_did_not_make(run, tmp_path):
    (tmp_path / "lab").mkdir()
    (tmp_path / "lab" / "lab.json").write_text("{")
    (tmp_path / "lab" / "mine.txt").write_text("x")
    assert run("purge").exit_code == 0
    assert [p.name for p in (tmp_path / "lab").iterdir()] == ["mine.txt"]


def test_a_lab_without_guests(run, tmp_path, labs):
    lab = tmp_path / "lab"
    try:
        started = run("start", "--no-guests")
        assert started.exit_code == 0, started.output
        found = json.loads(run("status", "--json").output)
        assert found["running"] is True
        assert found["vcenter"]["url"].startswith("https://127.")
        assert found["vcenter"]["password"] == (lab / "vcenter-password").read_text().strip()
        assert found["inventory"]["counts"]["HostSystem"] == 5
        assert (lab / "vcenter-password").stat().st_mode & 0o777 == 0o600
        pid = found["vcenter"]["pid"]
        again = run("start", "--no-guests")
        assert "runs already" in again.output
        assert json.loads(run("status", "--json").output)["vcenter"]["pid"] == pid
        other = run("start")
        assert other.stderr.startswith("error LAB-0")
        assert run("stop").exit_code == 0
        assert json.loads(run("status", "--json").output)["running"] is False
        if os.geteuid() == 0:
            assert [p.readlink() for p in labs.iterdir()] == [lab]
    finally:
        assert run("purge").exit_code == 0
    assert not lab.exists()
    assert not labs.exists()
