"""What stands on the machine: child processes, images, lab, packages, removal of state."""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from viaduct.errors import ImageError, LabError, PreflightError, StateError
from viaduct.services import destroy
from viaduct.services.files import write_private
from viaduct.services.images import Images
from viaduct.services.lab import Lab
from viaduct.services.machine import Machine
from viaduct.services.process import Ended, run_process


class Runner:
    """Answers argument vectors with prepared endings."""

    def __init__(
        self, *ended: Ended, lines: Sequence[str] = (), then: Callable[[], None] = lambda: None
    ) -> None:
        self.ended = list(ended)
        self.lines = lines
        self.then = then
        self.calls: list[list[str]] = []

    def __call__(self, arguments: Sequence[str], line: Callable[[str], None]) -> Ended:
        self.calls.append(list(arguments))
        for text in self.lines:
            line(text)
        self.then()
        return self.ended.pop(0) if self.ended else Ended(0, "", "")


def python(code: str) -> list[str]:
    return [sys.executable, "-u", "-c", code]


def test_process_hands_over_lines_and_keeps_errors() -> None:
    seen: list[str] = []
    ended = run_process(
        python("import sys; print('a'); print('b'); print('x', file=sys.stderr); sys.exit(3)"), seen.append
    )
    assert (seen, ended.exit_status, ended.errors) == (["a", "b"], 3, "x")


def test_process_whose_daemon_keeps_the_pipe_open_ends(tmp_path: Path) -> None:
    pid_file = tmp_path / "pid"
    code = (
        "import os, subprocess;"
        "p = subprocess.Popen(['sleep', '30']);"
        f"open({str(pid_file)!r}, 'w').write(str(p.pid)); print('done')"
    )
    began = time.monotonic()
    try:
        assert run_process(python(code), lambda _: None).output == "done"
        assert time.monotonic() - began < 10
    finally:
        os.kill(int(pid_file.read_text()), 9)


def test_interrupted_process_is_ended(tmp_path: Path) -> None:
    pid_file = tmp_path / "pid"
    code = f"import os, time; open({str(pid_file)!r}, 'w').write(str(os.getpid())); print(1); time.sleep(60)"
    threading.Timer(0.5, lambda: os.kill(os.getpid(), 2)).start()
    with pytest.raises(KeyboardInterrupt):
        run_process(python(code), lambda _: None)
    with pytest.raises(ProcessLookupError):
        os.kill(int(pid_file.read_text()), 0)


def test_reason_and_remedy_are_read_from_our_programs() -> None:
    ended = Ended(1, "", "  | log line\nerror LAB-7: No tun.\n  what to do: modprobe tun\n")
    assert (ended.reason, ended.remedy) == ("No tun.", "modprobe tun")
    assert Ended(2, "", "").reason == "it ended with status 2"
    assert Ended(2, "out\n", "Traceback\nValueError: x\n").reason == "ValueError: x"


def built(state: Path) -> None:
    directory = state / "images" / "img-1"
    directory.mkdir(parents=True)
    manifest = {"id": "img-1", "version": "0.1.0", "layers": ["../layers/base-1"]}
    (directory / "manifest.json").write_text(json.dumps(manifest))
    (state / "images" / "current").symlink_to("img-1")


def test_image_build_and_progress(tmp_path: Path) -> None:
    lines = [
        json.dumps({"step": "base", "title": "Base system", "state": "started", "seconds": 0}),
        json.dumps({"step": "base", "title": "Base system", "state": "done", "seconds": 61.2}),
        json.dumps({"step": "venv", "title": "OpenStack", "state": "cached", "seconds": 0}),
        "not JSON",
    ]
    runner = Runner(lines=lines, then=lambda: built(tmp_path))
    told: list[str] = []
    images = Images(Path("/home"), tmp_path, runner=runner)
    assert images.current() is None
    assert images.all() == ()
    image = images.build(told.append)
    assert runner.calls == [["python3", "/home/appliance/build.py", "--state", str(tmp_path), "--json"]]
    assert told == ["Base system …", "Base system: done in 61 s"]
    assert (image.id, image.current) == ("img-1", True)
    assert image.layers == (str(tmp_path / "images/layers/base-1"),)
    assert images.all() == (image,)


def test_image_build_that_fails(tmp_path: Path) -> None:
    failed = {"step": "image", "title": "E_MIRROR: No mirror answers.", "state": "failed", "seconds": 1}
    told = "  | log\nerror E_MIRROR: No mirror answers.\n  what to do: Mend the network.\n  log: /x"
    runner = Runner(Ended(1, "", told), lines=[json.dumps(failed)])
    with pytest.raises(ImageError, match="No mirror answers") as caught:
        Images(Path("/home"), tmp_path, runner=runner).build(lambda _: None)
    assert caught.value.detail == "log"
    assert caught.value.remedy.startswith("Mend the network. Run the same command")


def test_broken_manifest(tmp_path: Path) -> None:
    built(tmp_path)
    (tmp_path / "images/img-1/manifest.json").write_text("{}")
    with pytest.raises(ImageError, match=r"manifest\.json"):
        Images(Path("/home"), tmp_path).current()


def test_lab(tmp_path: Path) -> None:
    def site_file() -> None:
        (tmp_path / "lab").mkdir(exist_ok=True)
        (tmp_path / "lab" / "site.yaml").write_text("name: lab")

    runner = Runner(then=site_file)
    lab = Lab(tmp_path, runner)
    assert not lab.exists
    assert lab.start(tmp_path / "image", lambda _: None) == tmp_path / "lab" / "site.yaml"
    assert runner.calls[0][1:] == [
        "-m",
        "viaduct_lab",
        "--state",
        str(tmp_path / "lab"),
        "start",
        "--image",
        str(tmp_path / "image"),
    ]
    runner.ended = [Ended(1, "", "error LAB-3: No root.\n  what to do: Use sudo.")]
    with pytest.raises(LabError, match="could not be stopped: No root") as caught:
        lab.stop(lambda _: None)
    assert caught.value.remedy == "Use sudo."


def test_packages(tmp_path: Path) -> None:
    (tmp_path / "list.txt").write_text("# why\ndpkg\nno-such-package-at-all\n")
    machine = Machine(tmp_path, tmp_path / "state", Runner(Ended(1, "", "error MACHINE-003: No mirror.")))
    missing = machine.missing_packages(("list.txt", "no-list.txt"))
    assert missing == ("no-such-package-at-all",)
    with pytest.raises(PreflightError, match="No mirror"):
        machine.install(missing, "to try it", lambda _: None)


def test_machine_facts_of_this_machine(tmp_path: Path) -> None:
    facts = Machine(tmp_path, tmp_path / "not" / "there").facts()
    assert facts.free_bytes > 0
    assert facts.memory_mb > 100
    assert facts.state_filesystem != "unknown"


def test_private_file_is_whole_and_private(tmp_path: Path) -> None:
    path = tmp_path / "sub" / "file"
    write_private(path, "one")
    inode = path.stat().st_ino
    write_private(path, "one")
    assert path.stat().st_ino == inode, "unchanged content is not written again"
    write_private(path, "two")
    assert path.read_text() == "two"
    assert path.stat().st_mode & 0o777 == 0o600
    assert os.listdir(path.parent) == ["file"]
    with pytest.raises(StateError):
        write_private(Path("/proc/none/file"), "x")


def test_state_is_removed_but_for_what_is_kept(tmp_path: Path) -> None:
    state = tmp_path / "state"
    for name in ("images", "clouds", "log"):
        (state / name).mkdir(parents=True)
        (state / name / "file").write_text("x")
    (state / "images" / "current").symlink_to("/etc")
    destroy.remove_state(state, keep=("images",))
    assert os.listdir(state) == ["images"]
    destroy.remove_state(state)
    assert not state.exists()
    assert Path("/etc/passwd").exists(), "links are not followed"
    destroy.remove_state(state)


def test_state_with_a_mount_below_is_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "images").mkdir()
    monkeypatch.setattr(destroy, "mounts_below", lambda path: (f"{path}/lab/root",))
    with pytest.raises(StateError, match="still mounted"):
        destroy.remove_state(tmp_path)
    assert (tmp_path / "images").exists()


def test_mounts_below() -> None:
    assert "/proc" in destroy.mounts_below(Path("/"))
    assert destroy.mounts_below(Path("/proc/self")) == ()
