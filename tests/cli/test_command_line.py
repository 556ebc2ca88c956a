"""The command line with the real application: fast help, clear errors, exit statuses, nothing left behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import yaml

from viaduct.app.main import main
from viaduct.cli.root import VERBS

sys.path.insert(0, str(Path(__file__).parents[1] / "documents"))
from test_site_file import GOOD

HOME = Path(__file__).parents[2]


Command = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def viaduct(capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Iterator[Command]:
    """Runs a command line in this process: a process each would cost seconds on a busy machine."""
    handlers = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGHUP)}
    monkeypatch.setattr(sys, "stdin", open(os.devnull))  # noqa: SIM115

    def run(state: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
        monkeypatch.setenv("VIADUCT_HOME", str(HOME))
        monkeypatch.setenv("VIADUCT_STATE", str(state))
        monkeypatch.setattr(sys, "argv", ["viaduct", *arguments])
        status = main()
        told = capfd.readouterr()
        return subprocess.CompletedProcess(arguments, status, told.out, told.err)

    yield run
    sys.dont_write_bytecode = False
    for number, handler in handlers.items():
        signal.signal(number, handler)


def site_file(directory: Path, **vcenter: object) -> Path:
    (directory / "password").write_text("s3cret-password\n")
    path = directory / "site.yaml"
    path.write_text(yaml.safe_dump({**GOOD, "vcenter": {**GOOD["vcenter"], **vcenter}}))
    return path


def test_help_loads_no_library_beside_click(viaduct: Command, tmp_path: Path) -> None:
    ended = viaduct(tmp_path / "s", "--help")
    assert ended.returncode == 0
    assert all(f"\n  {verb} " in ended.stdout for verb in VERBS)
    code = (
        "import sys; from viaduct.app.main import main; sys.argv = ['viaduct', '--help']; main();"
        "heavy = {'pydantic', 'sqlalchemy', 'pyVmomi', 'asyncssh', 'openstack', 'rich', 'yaml'};"
        "sys.exit(bool(heavy & set(sys.modules)))"
    )
    began = time.monotonic()
    environment = {**os.environ, "PYTHONPATH": str(HOME / "src")}
    assert subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True).returncode == 0
    assert time.monotonic() - began < 5
    assert not (tmp_path / "s").exists()


@pytest.mark.parametrize("verb", list(VERBS))
def test_every_verb_explains_itself(viaduct: Command, tmp_path: Path, verb: str) -> None:
    if verb == "openstack":
        pytest.skip("its --help is the upstream client's")
    ended = viaduct(tmp_path, verb, "--help")
    assert ended.returncode == 0
    assert ended.stdout.startswith(f"Usage: ./viaduct {verb}")


def test_nothing_there_yet(viaduct: Command, tmp_path: Path) -> None:
    assert "There is no cloud in" in viaduct(tmp_path / "s", "status").stdout
    for arguments in (("verify",), ("env",), ("openstack", "server", "list"), ("spec", "export")):
        ended = viaduct(tmp_path / "s", *arguments)
        assert ended.returncode == 2, arguments
        assert "error INPUT-001: There is no cloud yet." in ended.stderr
        assert "what to do: Deploy one with './viaduct up'." in ended.stderr


def test_bad_usage(viaduct: Command, tmp_path: Path) -> None:
    ended = viaduct(tmp_path, "stauts")
    assert (ended.returncode, "Did you mean 'status'?" in ended.stderr) == (2, True)
    assert viaduct(tmp_path, "up", "--nonsense").returncode == 2
    ended = viaduct(tmp_path, "up", "--mode", "ha")
    assert (ended.returncode, "not yet available" in ended.stderr) == (2, True)
    ended = viaduct(tmp_path, "up", "--name", "Bad_Name")
    assert (ended.returncode, "cannot be a cloud's name" in ended.stderr) == (2, True)
    assert "--yes" in viaduct(tmp_path, "down", "--purge").stderr


def test_bad_site_file_names_field_remedy_and_log(viaduct: Command, tmp_path: Path) -> None:
    path = site_file(tmp_path, hots="x")
    ended = viaduct(tmp_path / "s", "up", "--site", str(path))
    assert ended.returncode == 2
    assert f"{path}: vcenter.hots: unknown key." in ended.stderr
    assert "what to do: Did you mean 'host'?" in ended.stderr
    assert "Traceback" not in ended.stderr
    [log] = (tmp_path / "s" / "log").iterdir()
    assert f"log: {log}" in ended.stderr


def test_unreachable_vcenter(viaduct: Command, tmp_path: Path) -> None:
    # Port 9 of the loopback address: refused at once.
    path = site_file(tmp_path, host="127.0.0.1", port=9)
    ended = viaduct(tmp_path / "s", "plan", "--site", str(path))
    assert ended.returncode == 1
    assert "error VCENTER-101:" in ended.stderr
    assert "what to do:" in ended.stderr
    assert "s3cret" not in ended.stderr


def test_plan_before_anything_is_there(viaduct: Command, tmp_path: Path) -> None:
    ended = viaduct(tmp_path / "s", "plan")
    assert ended.returncode == 0
    assert "1. Build the appliance image  (there is none yet)" in ended.stdout
    assert "Clone node1 from template" in ended.stdout


def test_purge_of_nothing_leaves_nothing(viaduct: Command, tmp_path: Path) -> None:
    state = tmp_path / "s"
    ended = viaduct(state, "down", "--purge", "--yes")
    assert ended.returncode == 0, ended.stderr
    assert not state.exists()


def test_state_directory_that_cannot_be_made(viaduct: Command, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    ended = viaduct(tmp_path / "file" / "s", "status")
    assert ended.returncode == 1
    assert "error STATE-001:" in ended.stderr
    assert "--state DIR" in ended.stderr


def test_state_option_comes_before_the_variable(viaduct: Command, tmp_path: Path) -> None:
    ended = viaduct(tmp_path / "variable", "--state", str(tmp_path / "option"), "status")
    assert str(tmp_path / "option") in ended.stdout
    assert not (tmp_path / "variable").exists()


def test_earlier_runs(viaduct: Command, tmp_path: Path) -> None:
    state = tmp_path / "s"
    viaduct(state, "up", "--site", str(tmp_path / "none.yaml"))
    listed = viaduct(state, "log").stdout
    assert "failed" in listed
    assert "none.yaml does not exist" in listed
    shown = viaduct(state, "log", "last").stdout
    assert "Log in to vCenter: failed after" in shown
    assert viaduct(state, "log", "nothing").returncode == 2
