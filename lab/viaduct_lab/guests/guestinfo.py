"""guestinfo as the guest sees it.

Two folders are shared with a guest: ``host`` (read-only there) holds what the VM's extraConfig says, one file
a key; ``guest`` receives what it sets. A stand-in for ``vmware-rpctool`` reads and writes them.

cloud-init reads guestinfo through that tool only when the firmware says VMware, and in a container it never
looks at the firmware. For containers its VMware datasource has another transport: environment variables.
So the lab gives cloud-init's unit (and nothing else in the guest) a file of these.
"""

from __future__ import annotations

import base64
import gzip
import os
import shutil
from collections.abc import Collection, Mapping
from pathlib import Path

INSIDE = "/run/viaduct-lab"
_RPCTOOL = Path(__file__).parent / "vmware-rpctool"
_CLOUD_INIT_KEYS = ("metadata", "userdata", "vendordata")
_ENCODINGS = ("base64", "b64", "gzip+base64", "gz+b64")
_ENVIRONMENT = ".cloud-init.env"
_TOOLS_MARKER = ".tools"
# A single environment variable must stay below the kernel's MAX_ARG_STRLEN (32 pages).
_VARIABLE_LIMIT = 131072 - 64

_CLOUD_INIT_UNIT = f"""\
[Service]
EnvironmentFile=-{INSIDE}/host/{_ENVIRONMENT}
"""
# Stands in for vmtoolsd: as long as the service runs, the vCenter reports the tools as running.
_TOOLS_UNIT = f"""\
[Unit]
ConditionVirtualization=
[Service]
ExecStart=
ExecStart=/bin/sh -c ': >{INSIDE}/guest/{_TOOLS_MARKER}; exec sleep infinity'
ExecStopPost=/bin/rm -f {INSIDE}/guest/{_TOOLS_MARKER}
"""
_UNITS = {
    "cloud-init.conf": _CLOUD_INIT_UNIT,
    "open-vm-tools.conf": _TOOLS_UNIT,
}
# cloud-init before 24.3 has a process per stage; the datasource is found in the first one.
_DROP_INS = (
    ("cloud-init.conf", "cloud-init-main.service"),
    ("cloud-init.conf", "cloud-init-local.service"),
    ("open-vm-tools.conf", "open-vm-tools.service"),
)


class GuestinfoError(Exception):
    """A value cannot be handed to the guest; the text says why."""


def is_usable(key: str) -> bool:
    """Whether ``key`` (without ``guestinfo.``) can name a file, and so be read in the guest."""
    return bool(key) and not key.startswith(".") and "/" not in key and not any(c.isspace() for c in key)


def cloud_init_environment(values: Mapping[str, str]) -> str:
    """The environment file for cloud-init's VMware datasource; empty if ``values`` hold nothing for it.

    Everything goes in base64, because an environment file has its own idea of quotes and line ends.
    Raises :class:`GuestinfoError` when a value is too long even when compressed.
    """
    lines = []
    for key in _CLOUD_INIT_KEYS:
        value, encoding = values.get(key, ""), values.get(f"{key}.encoding", "").strip()
        if not value.strip():
            continue
        if encoding not in _ENCODINGS:
            value, encoding = base64.b64encode(value.encode()).decode(), "base64"
            if len(value) > _VARIABLE_LIMIT:
                packed = gzip.compress(values[key].encode(), mtime=0)
                value, encoding = base64.b64encode(packed).decode(), "gzip+base64"
        value = "".join(value.split())
        if len(value) > _VARIABLE_LIMIT:
            raise GuestinfoError(f"guestinfo.{key} is longer than a guest of the lab can take")
        lines += [f"VMX_GUESTINFO_{key.upper()}={value}", f"VMX_GUESTINFO_{key.upper()}_ENCODING={encoding}"]
    return "\n".join(["VMX_GUESTINFO=1", *lines, ""]) if lines else ""


class Guestinfo:
    """The shared folders of one guest, under ``directory``."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._host = directory / "host"
        self._guest = directory / "guest"
        self._rpctool = directory / "vmware-rpctool"
        self._units = directory / "units"

    def prepare(self, values: Mapping[str, str]) -> None:
        """Make the folders anew for a power-on with ``values``."""
        if self._directory.exists():
            shutil.rmtree(self._directory)
        for folder in (self._directory, self._host, self._guest, self._units):
            folder.mkdir(mode=0o700)
        shutil.copyfile(_RPCTOOL, self._rpctool)
        self._rpctool.chmod(0o755)
        for name, content in _UNITS.items():
            (self._units / name).write_text(content)
        self.replace(values)

    def replace(self, values: Mapping[str, str], news: Collection[str] = ()) -> None:
        """Make the guest read ``values``, and nothing else, from now on.

        What the guest itself has set for a key stays in force, unless the key is in ``news``.
        """
        environment = cloud_init_environment(values)
        known = _files(self._host)
        wanted = {key: value for key, value in values.items() if is_usable(key)}
        for key in known.keys() - wanted.keys():
            (self._host / key).unlink(missing_ok=True)
        for key, value in wanted.items():
            if known.get(key) != value:
                _write(self._host / key, value)
        for key in filter(is_usable, news):
            (self._guest / key).unlink(missing_ok=True)
        if environment:
            _write(self._host / _ENVIRONMENT, environment)
        else:
            (self._host / _ENVIRONMENT).unlink(missing_ok=True)

    def from_guest(self) -> dict[str, str]:
        """What the guest has set."""
        return _files(self._guest)

    def new_boot(self) -> None:
        """Forget what ends with a boot: that the tools run."""
        (self._guest / _TOOLS_MARKER).unlink(missing_ok=True)

    def tools_running(self) -> bool:
        """Whether the guest's open-vm-tools service runs."""
        return (self._guest / _TOOLS_MARKER).exists()

    def changed_at(self) -> int:
        """A number that changes when the guest sets a value, or its tools start or stop."""
        try:
            return self._guest.stat().st_mtime_ns
        except FileNotFoundError:
            return 0

    def init_arguments(self) -> tuple[str, ...]:
        """Words for the guest's init: they tell cloud-init's detection, which cannot see the environment."""
        return ("ds=VMware",) if (self._host / _ENVIRONMENT).exists() else ()

    def binds(self) -> tuple[tuple[Path, str, bool], ...]:
        """Bind mounts for the guest: source, path inside, writable."""
        units = tuple(
            (self._units / name, f"/run/systemd/system/{unit}.d/50-viaduct-lab.conf", False)
            for name, unit in _DROP_INS
        )
        return (
            (self._host, f"{INSIDE}/host", False),
            (self._guest, f"{INSIDE}/guest", True),
            (self._rpctool, "/usr/bin/vmware-rpctool", False),
            *units,
        )


def _files(folder: Path) -> dict[str, str]:
    values = {}
    try:
        for entry in sorted(folder.iterdir()):
            if not entry.name.startswith(".") and entry.is_file() and not entry.is_symlink():
                values[entry.name] = entry.read_text(errors="replace")
    except FileNotFoundError:
        pass
    return values


def _write(path: Path, text: str) -> None:
    new = path.parent / f".{path.name}.{os.getpid()}.new"
    new.touch(mode=0o600)
    new.write_text(text)
    new.replace(path)
