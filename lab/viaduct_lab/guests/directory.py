"""What one guest keeps in the lab's state: its folder, and the description its launcher boots from."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from viaduct_lab.guests.runtime import GuestNic, GuestSpec

TERMINATED = "terminated"


@dataclass(frozen=True)
class BootRecord:
    """The present boot of a guest. Process ids are the machine's.

    ``number`` counts boots since power-on; ``supervisor`` is nspawn, ``init`` the guest's pid 1,
    ``cgroups`` the guest's control groups.
    """

    number: int
    supervisor: int
    init: int
    cgroups: tuple[str, ...]


@dataclass(frozen=True)
class ExitRecord:
    """How a guest ended.

    ``reason`` is ``power-off`` (by itself), ``stopped`` (by a power operation), ``failed``, ``died`` (its
    launcher was killed) or ``terminated`` (its launcher was told to end, but not by us: the machine is going
    down).
    """

    reason: str
    status: int = 0

    @property
    def unmeant(self) -> bool:
        """Whether nobody wanted the guest off: it is to be on again when the lab is."""
        return self.reason == TERMINATED


class GuestDirectory:
    """The folder ``<lab>/guests/<vm id>``."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.lock = path / "lock"
        self.nics_lock = path / "nics.lock"
        self.root = path / "root"
        self.layers = path / "l"
        self.shared = path / "shared"
        self.log = path / "launcher.log"

    @property
    def vm_id(self) -> str:
        """The VM's id, which names the folder."""
        return self.path.name

    def prepare(self) -> None:
        """Make the folder; forget how an earlier run ended."""
        for folder in (self.path, self.root, self.layers, self.shared):
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        for name in ("boot.json", "exit.json"):
            (self.path / name).unlink(missing_ok=True)

    def save_spec(self, spec: GuestSpec) -> None:
        """Keep ``spec`` (without guestinfo, which lies in files of its own)."""
        content = asdict(spec)
        for dropped in ("guestinfo", "nics"):
            content.pop(dropped)
        self._write("spec.json", content)
        self.save_nics(spec.nics)

    def spec(self) -> GuestSpec:
        """The kept description with the adapters of now. Raises ``FileNotFoundError``."""
        raw = json.loads((self.path / "spec.json").read_text())
        raw["layers"] = tuple(Path(p) for p in raw["layers"])
        raw["upper"], raw["work"] = Path(raw["upper"]), Path(raw["work"])
        raw["console"] = Path(raw["console"]) if raw["console"] else None
        return GuestSpec(**raw, nics=self.nics())

    def save_nics(self, nics: tuple[GuestNic, ...]) -> None:
        """Keep the adapters that the next boot plugs."""
        self._write("nics.json", [asdict(nic) for nic in nics])

    def nics(self) -> tuple[GuestNic, ...]:
        """The kept adapters."""
        raw = self._read("nics.json")
        return tuple(GuestNic(**nic) for nic in raw) if raw else ()

    def save_boot(self, boot: BootRecord) -> None:
        """Record the present boot."""
        self._write("boot.json", asdict(boot))

    def clear_boot(self) -> None:
        """Forget the recorded boot: the guest is between two boots, or off."""
        (self.path / "boot.json").unlink(missing_ok=True)

    def boot(self) -> BootRecord | None:
        """The recorded boot; None before init runs."""
        raw = self._read("boot.json")
        return BootRecord(**{**raw, "cgroups": tuple(raw["cgroups"])}) if raw else None

    def save_exit(self, record: ExitRecord) -> None:
        """Record how the guest ended."""
        self._write("exit.json", asdict(record))

    def exit(self) -> ExitRecord | None:
        """How the guest ended; None when it runs, or when nobody saw its end (a power failure)."""
        raw = self._read("exit.json")
        return ExitRecord(**raw) if raw else None

    def _read(self, name: str) -> Any:
        try:
            return json.loads((self.path / name).read_text())
        except (FileNotFoundError, json.JSONDecodeError):
            return None

    def _write(self, name: str, content: object) -> None:
        """Replace a file in one step, so that no reader sees half of it."""
        new = self.path / f".{name}.{os.getpid()}"
        new.touch(mode=0o600)
        new.write_text(json.dumps(content, default=str))
        new.replace(self.path / name)
