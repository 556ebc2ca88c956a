"""Commands in private namespaces: nothing they mount or start outlives them, or this process.

`setpriv --pdeathsig` ends `unshare` when this process dies, `unshare --kill-child` ends the command's
process namespace, and the kernel drops the mount namespace with its last process.
"""

from __future__ import annotations

import os
import shlex
import subprocess
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from imagebuild.errors import BuildError

_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_DEVICES = ("null", "zero", "full", "random", "urandom", "tty")
_OVERLAY_OPTIONS = "redirect_dir=off,metacopy=off,index=off"


@dataclass(frozen=True)
class Root:
    """The root directory that a command sees.

    With `layers` (bottom to top) it is an overlay whose changes land in `upper`; `scratch` holds the
    mount point and overlayfs' work folder, on the file system of `upper`. Without layers, `upper`
    itself is the root.
    """

    upper: Path
    scratch: Path
    layers: tuple[Path, ...] = ()


def clean_environment(environ: Mapping[str, str]) -> dict[str, str]:
    """What of the caller's environment a build sees: how to reach the network, no more.

    (A PYTHONPYCACHEPREFIX, say, would send the bytecode of Debian's Python packages elsewhere.)
    """
    kept = {
        name: value
        for name, value in environ.items()
        if name.lower().endswith("_proxy") or name in ("SSL_CERT_FILE", "SSL_CERT_DIR", "CURL_CA_BUNDLE")
    }
    return {**kept, "PATH": _PATH, "HOME": environ.get("HOME", "/root"), "LC_ALL": "C.UTF-8"}


class Sandbox:
    """Runs commands and remembers them, so that a failing build can stop what runs beside it."""

    def __init__(self) -> None:
        self._running: set[subprocess.Popen[bytes]] = set()
        self._lock = threading.Lock()
        self._stopped = False

    def run(
        self,
        argv: Sequence[str],
        log: Path,
        *,
        env: Mapping[str, str] | None = None,
        network: bool = True,
    ) -> int:
        """Run `argv` with its output appended to `log`; returns its exit status."""
        settings = {**clean_environment(os.environ), **(env or {})}
        flags = ["--mount", "--propagation=private", "--pid", "--fork", "--kill-child=SIGKILL"]
        if not network:
            flags.append("--net")
        command = ["setpriv", "--pdeathsig", "KILL", "unshare", *flags, "--mount-proc", *argv]
        with log.open("ab") as output:
            process = self._start(command, output.fileno(), settings)
            try:
                return process.wait()
            finally:
                process.kill()
                with self._lock:
                    self._running.discard(process)

    def _start(self, command: Sequence[str], output: int, env: Mapping[str, str]) -> subprocess.Popen[bytes]:
        with self._lock:
            if self._stopped:
                raise BuildError("E_STOPPED", "The build was stopped.", "Start it again.")
            process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, env=env
            )
            self._running.add(process)
            return process

    def stop(self) -> None:
        """End everything that runs; later commands are refused."""
        with self._lock:
            self._stopped = True
            for process in self._running:
                process.kill()

    def chroot(
        self,
        root: Root,
        argv: Sequence[str],
        log: Path,
        *,
        env: Mapping[str, str] | None = None,
        binds: Sequence[tuple[str, str]] = (),
        network: bool = False,
    ) -> int:
        """Run `argv` inside `root`, with `binds` (outside path, inside path) made visible.

        Without `network` the command has a loopback interface only.
        """
        script = mount_script(root, binds, network)
        inside = {"PATH": _PATH, "HOME": "/root", "LC_ALL": "C.UTF-8", **(env or {})}
        settings = [f"{key}={value}" for key, value in inside.items()]
        command = shlex.join(["chroot", str(_mount_point(root)), "/usr/bin/env", "-i", *settings, *argv])
        return self.run(["sh", "-euc", f"{script}\nexec {command}"], log, network=network)


def _mount_point(root: Root) -> Path:
    return root.scratch / "root"


def mount_script(root: Root, binds: Sequence[tuple[str, str]], network: bool) -> str:
    """Shell commands that set up `root` in a mount namespace of one's own."""
    point = _mount_point(root)
    lines = [_command("mkdir", "-p", root.upper, point)]
    if root.layers:
        work = root.scratch / "work"
        lower = ":".join(str(layer) for layer in reversed(root.layers))
        options = f"lowerdir={lower},upperdir={root.upper},workdir={work},{_OVERLAY_OPTIONS}"
        lines.append(_command("mkdir", "-p", work))
        lines.append(_command("mount", "-t", "overlay", "overlay", "-o", options, point))
    else:
        lines.append(_command("mount", "--bind", root.upper, point))
    lines.append(_command("mount", "-t", "proc", "proc", point / "proc"))
    lines.append(_command("mount", "-t", "tmpfs", "-o", "mode=755", "dev", point / "dev"))
    for name in _DEVICES:
        lines += _bind(f"/dev/{name}", point / "dev" / name, is_file=True)
    lines.append(_command("ln", "-s", "/proc/self/fd", point / "dev/fd"))
    lines.append(_command("mkdir", "-m", "1777", point / "dev/shm"))
    lines.append(_command("mount", "-t", "tmpfs", "-o", "mode=1777", "tmp", point / "tmp"))
    lines.append(_command("mount", "-t", "tmpfs", "-o", "mode=755", "run", point / "run"))
    if network:
        for name in ("/etc/resolv.conf", "/etc/hosts"):
            if Path(name).exists():
                lines += _bind(name, point / name[1:], is_file=True)
    for outside, inside in binds:
        lines += _bind(outside, point / inside.lstrip("/"), is_file=not Path(outside).is_dir())
    return "\n".join(lines)


def _command(*words: str | Path) -> str:
    return shlex.join(str(word) for word in words)


def _bind(outside: str, inside: Path, *, is_file: bool) -> list[str]:
    make = _command("touch", inside) if is_file else _command("mkdir", "-p", inside)
    return [_command("mkdir", "-p", inside.parent), make, _command("mount", "--bind", outside, inside)]
