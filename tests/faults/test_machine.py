"""A machine that lacks something: not root, a kernel without overlay or tun, a disk that is unfit or full.

Each is made in a user namespace of the test's own, with mounts that nobody else sees.
"""

from __future__ import annotations

import os
import shlex
from pathlib import Path

import pytest
from vcenter_site import Center

from faults.commands import HOME, LOGS, apart, argv
from faults.conftest import SiteFile, Viaduct, contents


def command(state: Path | str, *words: str) -> str:
    return shlex.join(argv(Path(state), *words))


def only_logs(state: Path) -> bool:
    return {path.name for path in state.iterdir()} <= LOGS


def test_not_root(state: Path) -> None:
    told = apart(f"exec {command(state, 'up')}", root=False)
    told.refuses("PREFLIGHT-001", "The lab needs root", "Run as root", "with --site FILE")
    assert "Check this machine: failed after" in told.err
    assert only_logs(state)


@pytest.mark.parametrize("words", [("lab", "start"), ("image", "build")])
def test_other_commands_that_need_root(
    viaduct: Viaduct, state: Path, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...]
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    viaduct(*words).refuses("PREFLIGHT-001", "needs root", "Run as root")
    assert not state.exists()


def test_kernel_without_overlay_and_tun_and_a_state_directory_on_overlayfs(tmp_path: Path) -> None:
    """All at once, before anything is built."""
    disk = tmp_path / "disk"
    disk.mkdir()
    known = Path("/proc/filesystems").read_text().splitlines(keepends=True)
    (tmp_path / "filesystems").write_text("".join(line for line in known if "overlay" not in line))
    script = f"""
        mount -t tmpfs tmpfs {disk}
        cd {disk}
        mkdir lower upper work root
        mount -t overlay -o lowerdir=lower,upperdir=upper,workdir=work overlay root
        mount --bind {tmp_path}/filesystems /proc/filesystems
        mount -t tmpfs tmpfs /dev/net
        {command(disk / "root" / "state", "up")} || echo "exit $?"
        ls -A root/state
    """
    told = apart(f"set -e; {script}")
    assert "exit 1" in told.out, told.text
    assert told.codes == ["PREFLIGHT-001"] * 3, told.text
    assert "state lies on overlayfs, which cannot hold a guest's own overlay" in told.flat
    assert (
        "The kernel has no overlay file system; the lab's guests run on one. what to do: Load it" in told.flat
    )
    assert "/dev/net/tun cannot be used (No such file or directory)" in told.flat
    assert "modprobe tun" in told.flat
    assert "Traceback" not in told.text
    assert set(told.out.split("exit 1", 1)[1].split()) <= LOGS


def test_kernel_that_names_overlay_and_tun_but_refuses_them(tmp_path: Path) -> None:
    """As in a container without privileges: the file system is known, the device is there, neither works."""
    disk = tmp_path / "disk"
    disk.mkdir()
    script = f"""
        mount -t tmpfs tmpfs {disk}
        mount --bind /dev/null /dev/net/tun
        echo 0 >/proc/sys/user/max_mnt_namespaces
        exec {command(disk / "state", "up")}
    """
    told = apart(f"set -e; {script}")
    refusal = f"A guest's overlay cannot be mounted in {disk}/state (unshare:"
    told.refuses("PREFLIGHT-001", refusal, "Choose a state directory on ext4", "run it privileged")
    assert "/dev/net/tun cannot be used (Inappropriate ioctl for device)" in told.flat


def test_a_state_directory_that_cannot_be_written(tmp_path: Path) -> None:
    """New, and with a database in it already."""
    (tmp_path / "ro").mkdir()
    script = f"""
        mount -t tmpfs -o size=1m tmpfs {tmp_path}/ro
        mkdir {tmp_path}/ro/used
        {command(tmp_path / "ro" / "used", "status")}
        mount -o remount,ro {tmp_path}/ro
        {command(tmp_path / "ro" / "new", "status")} || echo "exit $?"
        {command(tmp_path / "ro" / "used", "up")} || echo "exit $?"
    """
    told = apart(f"set -e; {script}")
    assert told.out.count("exit 1") == 2, told.text
    assert told.codes == ["STATE-001", "STATE-001"], told.text
    assert f"{tmp_path}/ro/new cannot be made: Read-only file system." in told.flat
    assert f"{tmp_path}/ro/used is read-only, or not yours" in told.flat
    assert told.flat.count("--state DIR") == 2
    assert "Traceback" not in told.text


def test_a_disk_that_is_too_small_or_full(tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir()
    state = tmp_path / "disk" / "state"
    script = f"""
        mount -t tmpfs -o size=1m tmpfs {tmp_path}/disk
        {command(state, "up")} || echo "exit $?"
        dd if=/dev/zero of={tmp_path}/disk/filler bs=4k 2>/dev/null || true
        {command(state, "up")} || echo "exit $?"
        rm {tmp_path}/disk/filler
        {command(state, "status")}
    """
    told = apart(f"set -e; {script}")
    assert told.out.count("exit 1") == 2, told.text
    assert told.codes == ["PREFLIGHT-001", "STATE-001"], told.text
    assert f"{state} has 0.0 GiB free, but 10 GiB are needed. what to do: Free some space" in told.flat
    assert "cannot be used: the disk is full. what to do: Free some space" in told.flat
    assert "There is no cloud in" in told.out, "nothing was lost"
    assert "Traceback" not in told.text


def test_a_disk_that_fills_up_in_mid_deploy(
    viaduct: Viaduct, site: SiteFile, center: Center, tmp_path: Path
) -> None:
    """Nothing is lost: with space again, the same command goes on with the VM that it made."""
    disk = tmp_path / "disk"
    disk.mkdir()
    up = f"VIADUCT_BOOT_TIMEOUT=2 {command(disk / 'state', 'up', '--site', str(site.path))}"
    before = contents(center)
    script = f"""
        mount -t tmpfs -o size=280m tmpfs {disk}
        {{ {up} 2>&1 || echo "exit $?"; }} | while IFS= read -r line; do
            printf '%s\\n' "$line"
            case $line in *"Wait for node1 (next"*) dd if=/dev/zero of={disk}/filler bs=64k 2>/dev/null;; esac
        done
        rm {disk}/filler
        echo "with space again"
        {up} 2>&1 || echo "exit $?"
        {command(disk / "state", "down", "--purge", "--yes")}
    """
    told = apart(script)
    full, again = told.out.split("with space again")
    assert "exit 1" in full, told.text
    assert "error STATE-001: " in full
    assert "the disk is full" in full
    assert "Free some space" in full
    assert "exit 1" in again
    assert "error NODE-101: The node 'node1' has not published its SSH host key" in again
    assert "Clone node1" not in again
    assert "Traceback" not in told.text
    assert contents(center) == before


def test_the_launcher_names_a_state_directory_that_cannot_be_used(tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir()
    launch = shlex.join([str(HOME / "viaduct"), "--state", str(tmp_path / "disk" / "state"), "status"])
    script = f"""
        mount -t tmpfs -o size=2m tmpfs {tmp_path}/disk
        {launch} || echo "exit $?"
        find {tmp_path}/disk/state/venv -mindepth 1
        rm -r {tmp_path}/disk/state
        mount -o remount,ro {tmp_path}/disk
        {launch} || echo "exit $?"
    """
    told = apart(f"set -e; {script}")
    assert told.out.split() == ["exit", "1", "exit", "1"], told.text
    assert told.codes == ["STATE-002", "STATE-001"]
    assert "is full: 2 MiB are free, Viaduct's Python environment needs 400" in told.flat
    assert "cannot be made or written (Read-only file system)" in told.flat
    assert told.flat.count("what to do: ") == 2
    assert told.flat.count("VIADUCT_STATE=DIR or --state DIR") == 2
