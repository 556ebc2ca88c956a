"""Looking at the administrator's machine, and installing the packages that it lacks."""

from __future__ import annotations

import errno
import fcntl
import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path

from viaduct.engine.run import Report
from viaduct.errors import PreflightError
from viaduct.planning.machine import MachineFacts, check_machine
from viaduct.services.process import Runner, run_process

TUN = Path("/dev/net/tun")
_TUNGETFEATURES = 0x800454CF
"""linux/if_tun.h"""
_PROBE_SECONDS = 20


class Machine:
    """This machine. ``home`` is Viaduct's own folder, ``state_dir`` where all state goes."""

    def __init__(self, home: Path, state_dir: Path, runner: Runner = run_process) -> None:
        self._home = home
        self._state_dir = state_dir
        self._runner = runner

    def check(self, *, lab: bool, image_built: bool) -> None:
        """Raises :class:`PreflightError` with all that the machine lacks."""
        problems = check_machine(self.facts(lab=lab), lab=lab, image_built=image_built)
        if problems:
            raise PreflightError(problems)

    def facts(self, *, lab: bool = True) -> MachineFacts:
        """What the machine has now.

        What only the ``lab`` needs is tried by doing it, as root; kernel modules that are only not loaded yet
        are loaded.
        """
        root = os.geteuid() == 0
        existing = _nearest_existing(self._state_dir)
        if root and lab:
            _load_module("overlay", lambda: "overlay" in _kernel_filesystems())
            _load_module("tun", TUN.exists)
        return MachineFacts(
            root=root,
            state_dir=str(self._state_dir),
            state_filesystem=_filesystem_of(existing),
            free_bytes=shutil.disk_usage(existing).free,
            filesystems=_kernel_filesystems(),
            memory_mb=_memory_mb(),
            overlay_refusal=_overlay_refusal(existing) if root and lab else "",
            tun_refusal=_tun_refusal() if root and lab else "",
        )

    def missing_packages(self, lists: Iterable[str]) -> tuple[str, ...]:
        """Debian packages of the lists (``lab/host-packages.txt``) that are not installed."""
        wanted = [name for file in lists for name in _package_list(self._home / file)]
        if not wanted or shutil.which("dpkg-query") is None:
            return ()
        shown = subprocess.run(
            ["dpkg-query", "-W", "-f", "${Package} ${Status}\n", *wanted],
            capture_output=True,
            text=True,
            check=False,
        )
        rows = (line.split(" ", 1) for line in shown.stdout.splitlines())
        installed = {row[0] for row in rows if row[1:] == ["install ok installed"]}
        return tuple(dict.fromkeys(name for name in wanted if name not in installed))

    def install(self, packages: tuple[str, ...], reason: str, report: Report) -> None:
        """Install Debian packages without starting their daemons. Raises :class:`PreflightError`."""
        report(f"{' '.join(packages)} ({reason})")
        ended = self._runner([str(self._home / "launcher" / "install-packages"), reason, *packages], report)
        if ended.exit_status != 0:
            raise PreflightError(
                (
                    (
                        f"The Debian packages {' '.join(packages)} could not be installed: {ended.reason}",
                        ended.remedy or "Check that the package mirror answers (apt-get update).",
                    ),
                ),
                detail=ended.detail,
            )


def _package_list(path: Path) -> list[str]:
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        return []
    return [line.strip() for line in lines if line.strip() and not line.startswith("#")]


def _nearest_existing(path: Path) -> Path:
    while not path.exists():
        path = path.parent
    return path


def _filesystem_of(path: Path) -> str:
    """Type of the file system that holds ``path``, from the kernel's mount table."""
    device = path.stat().st_dev
    wanted = f"{os.major(device)}:{os.minor(device)}"
    for line in Path("/proc/self/mountinfo").read_text(encoding="utf-8").splitlines():
        fields, _, rest = line.partition(" - ")
        if fields.split()[2] == wanted:
            return rest.split()[0]
    return "unknown"


def _kernel_filesystems() -> frozenset[str]:
    lines = Path("/proc/filesystems").read_text(encoding="utf-8").splitlines()
    return frozenset(line.split()[-1] for line in lines if line.split())


def _overlay_refusal(directory: Path) -> str:
    """Why an overlay that keeps its changes in ``directory`` does not work here; empty if it does.

    One that cannot keep the mark of a deleted file mounts well and fails later: a file is deleted, too.
    """
    script = (
        'cd "$0" && mkdir lower upper work root && touch lower/file && '
        "mount -t overlay -o lowerdir=lower,upperdir=upper,workdir=work overlay root && rm root/file"
    )
    try:
        with tempfile.TemporaryDirectory(prefix=".probe-", dir=directory) as probe:
            done = subprocess.run(
                ["unshare", "--mount", "sh", "-c", script, probe],
                capture_output=True,
                text=True,
                timeout=_PROBE_SECONDS,
                check=False,
            )
    except (OSError, subprocess.TimeoutExpired) as error:
        # Too little space is told on its own.
        full = isinstance(error, OSError) and error.errno == errno.ENOSPC
        return "" if full else getattr(error, "strerror", None) or f"no end within {_PROBE_SECONDS} s"
    said = done.stderr.strip().splitlines() or [f"status {done.returncode}"]
    return "" if done.returncode == 0 else said[0]


def _tun_refusal() -> str:
    """Why /dev/net/tun cannot be used; empty if it can. It is only asked what it offers: nothing is made."""
    try:
        with TUN.open("rb+", buffering=0) as device:
            fcntl.ioctl(device, _TUNGETFEATURES, bytes(4))
    except OSError as error:
        return error.strerror or str(error)
    return ""


def _load_module(name: str, loaded: Callable[[], bool]) -> None:
    if not loaded() and shutil.which("modprobe"):
        subprocess.run(["modprobe", "-q", name], check=False, capture_output=True)


def _memory_mb() -> int:
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") >> 20
