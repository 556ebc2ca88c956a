"""Locks and processes."""

import os
import signal
import subprocess
import sys
import time

import pytest

from viaduct_lab.host import processes

SLEEP = [sys.executable, "-c", "import time; time.sleep(60)"]
STUBBORN = [
    sys.executable,
    "-c",
    "import signal, time; signal.signal(15, signal.SIG_IGN); print('deaf', flush=True); time.sleep(60)",
]


@pytest.fixture
def lock(tmp_path):
    path = tmp_path / "lock"
    yield path
    processes.send(path, signal.SIGKILL)


def test_nobody(lock):
    assert not processes.is_held(lock)
    assert processes.holder(lock) is None
    assert not processes.send(lock, signal.SIGTERM)
    assert processes.end(lock, grace=0.1)


def test_a_daemon_holds_its_lock_until_it_ends(lock, tmp_path):
    daemon = processes.spawn(lock, SLEEP, tmp_path / "log")
    assert processes.is_held(lock)
    assert processes.holder(lock) == daemon.pid
    assert os.getsid(daemon.pid) == daemon.pid
    with pytest.raises(processes.LockHeldError):
        processes.spawn(lock, SLEEP, tmp_path / "log")
    assert processes.end(lock, grace=5)
    assert not processes.is_held(lock)
    assert daemon.wait(5) == -signal.SIGTERM


def test_a_deaf_daemon_is_killed(lock, tmp_path):
    log = tmp_path / "log"
    daemon = processes.spawn(lock, STUBBORN, log)
    while "deaf" not in log.read_text():
        time.sleep(0.01)
    assert processes.end(lock, grace=0.2)
    assert daemon.wait(5) == -signal.SIGKILL


def test_a_stale_pid_is_never_signalled(lock):
    stranger = subprocess.Popen(SLEEP)
    try:
        lock.write_text(f"{stranger.pid}\n")  # as after a reboot: the file is there, its lock is not
        assert processes.holder(lock) is None
        assert not processes.send(lock, signal.SIGKILL)
        assert stranger.poll() is None
    finally:
        stranger.kill()
        stranger.wait()


def test_the_log_is_private(lock, tmp_path):
    processes.spawn(lock, ["true"], tmp_path / "log").wait(5)
    assert (tmp_path / "log").stat().st_mode & 0o777 == 0o600


def test_a_command_that_is_not_there_leaves_no_lock(lock, tmp_path):
    with pytest.raises(FileNotFoundError):
        processes.spawn(lock, ["/nonexistent"], tmp_path / "log")
    assert not processes.is_held(lock)


def test_exclusive_waits_and_gives_up(lock, tmp_path):
    processes.spawn(lock, SLEEP, tmp_path / "log")
    began = time.monotonic()
    with pytest.raises(processes.LockHeldError), processes.exclusive(lock, timeout=0.3):
        pass
    assert time.monotonic() - began >= 0.3
    processes.end(lock, grace=5)
    with processes.exclusive(lock, timeout=1):
        assert processes.is_held(lock)
    assert not processes.is_held(lock)


def test_children():
    child = subprocess.Popen(SLEEP)
    try:
        assert child.pid in processes.children(os.getpid())
    finally:
        child.kill()
        child.wait()
    assert processes.children(child.pid) == ()
