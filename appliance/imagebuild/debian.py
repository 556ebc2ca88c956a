"""Debian trees made by mmdebstrap from the machine's own mirrors."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from imagebuild import aptconf
from imagebuild.errors import BuildError
from imagebuild.sandbox import Sandbox
from imagebuild.store import remove

SUITE = "trixie"
KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
# Documentation is left out; licences stay.
_DPKG_OPTIONS = (
    "path-exclude=/usr/share/man/*",
    "path-exclude=/usr/share/info/*",
    "path-exclude=/usr/share/lintian/*",
    "path-exclude=/usr/share/bug/*",
    "path-exclude=/usr/share/locale/*",
    "path-include=/usr/share/locale/locale.alias",
    "path-exclude=/usr/share/doc/*",
    "path-include=/usr/share/doc/*/copyright",
)
# Written by apt and dpkg while they work, or copied from the build machine by mmdebstrap.
_BUILD_TRACES = (
    "etc/apt/apt.conf.d/99mmdebstrap",
    "etc/dpkg/dpkg.cfg.d/99mmdebstrap",
    "etc/apt/sources.list",
    "etc/resolv.conf",
    "etc/hostname",
    "etc/machine-id",
    "var/lib/dbus/machine-id",
    "var/lib/apt/lists",
    "var/cache/apt",
    "var/cache/debconf",
    "var/lib/dpkg/status-old",
    "var/lib/dpkg/diversions-old",
    "var/lib/dpkg/available",
    "var/lib/systemd/random-seed",
    "etc/.pwd.lock",
    "etc/passwd-",
    "etc/group-",
    "etc/shadow-",
    "etc/gshadow-",
    "etc/subuid-",
    "etc/subgid-",
)


@dataclass(frozen=True)
class Archives:
    """apt lines for the image's release, and apt settings of the machine."""

    lines: tuple[str, ...]
    options: tuple[str, ...]


def machine_archives(mirror: str | None, security: str | None) -> Archives:
    """The machine's Debian mirrors for the image's release; the arguments override them.

    Raises BuildError when the machine has no Debian archive (another distribution, say).
    """
    found = aptconf.choose_mirrors(aptconf.machine_sources())
    if mirror is None and found is None:
        raise BuildError(
            "E_NO_MIRROR",
            "This machine's apt configuration names no Debian archive.",
            "Name one: --mirror URL [--security-mirror URL].",
        )
    if mirror is None and found is not None:
        mirror, security = found.main, security or found.security
    assert mirror is not None
    signed = f"[signed-by={KEYRING}]"
    main = aptconf.resolve_mirror_list(mirror)
    lines = [f"deb {signed} {main} {SUITE} main", f"deb {signed} {main} {SUITE}-updates main"]
    if security is not None:
        lines.append(f"deb {signed} {aptconf.resolve_mirror_list(security)} {SUITE}-security main")
    dump = subprocess.run(["apt-config", "dump"], capture_output=True, text=True, check=True).stdout
    return Archives(tuple(lines), tuple(aptconf.passed_on(dump)))


def bootstrap(
    sandbox: Sandbox,
    target: Path,
    packages: Sequence[str],
    archives: Archives,
    package_cache: Path,
    log: Path,
) -> None:
    """Install `packages` into the empty folder `target`."""
    package_cache.mkdir(parents=True, exist_ok=True)
    options = [*archives.options, 'Acquire::Languages "none";', 'APT::Sandbox::User "root";']
    command = [
        "mmdebstrap",
        "--mode=root",
        "--variant=minbase",
        "--format=directory",
        f"--include={','.join(packages)}",
        *(f"--aptopt={option}" for option in options),
        *(f"--dpkgopt={option}" for option in (*_DPKG_OPTIONS, "force-unsafe-io")),
        "--skip=download/empty,essential/unlink,cleanup/apt,cleanup/reproducible",
        f'--setup-hook=mkdir -p "$1"/var/cache/apt/archives && '
        f"mount --bind '{package_cache}' \"$1\"/var/cache/apt/archives",
        '--customize-hook=umount "$1"/var/cache/apt/archives',
        SUITE,
        str(target),
        *archives.lines,
    ]
    if status := sandbox.run(command, log):
        raise BuildError(
            "E_DEBIAN",
            f"Installing Debian {SUITE} failed (mmdebstrap ended with {status}).",
            "If the log says that an archive cannot be reached, check the mirrors and proxies of this "
            "machine's apt (`apt-get update`); if a key is unknown, upgrade debian-archive-keyring.",
            log,
        )
    _remove_traces(target)


def _remove_traces(tree: Path) -> None:
    for name in _BUILD_TRACES:
        remove(tree / name)
    for name in ("var/lib/apt/lists/partial", "var/cache/apt/archives/partial", "var/cache/debconf"):
        (tree / name).mkdir(parents=True)
    (tree / "etc/machine-id").write_text("")
    (tree / "etc/dpkg/dpkg.cfg.d/viaduct").write_text("\n".join(_DPKG_OPTIONS) + "\n")
    (tree / "etc/apt/sources.list").write_text("# No archive: every package is in the image.\n")
    (tree / "etc/resolv.conf").write_text("")
    (tree / "etc/hostname").write_text("localhost\n")
    for folder in ("dev", "tmp", "run", "var/tmp", "var/log"):
        _empty(tree / folder, keep_folders=folder == "var/log")


def _empty(folder: Path, *, keep_folders: bool) -> None:
    """Remove what lies in `folder`; with `keep_folders` only the files, at any depth."""
    for path in folder.iterdir():
        if path.is_dir() and not path.is_symlink():
            if keep_folders:
                _empty(path, keep_folders=True)
            else:
                shutil.rmtree(path)
        else:
            path.unlink()
