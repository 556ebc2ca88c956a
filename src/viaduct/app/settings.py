"""Where things are on this machine."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from viaduct.errors import InputError

DEFAULT_STATE_DIR = Path("/var/lib/viaduct")


@dataclass(frozen=True)
class Settings:
    """``home``: Viaduct's own folder (appliance recipe, launcher); ``state_dir``: all state;
    ``boot_timeout``: seconds that a node may take to answer (VIADUCT_BOOT_TIMEOUT, for slow sites)."""

    home: Path
    state_dir: Path
    verbose: bool = False
    boot_timeout: float = 300.0

    @classmethod
    def found(
        cls,
        state_dir: Path | None = None,
        *,
        verbose: bool = False,
        environment: Mapping[str, str] = os.environ,
    ) -> Settings:
        """Settings from the command line, then the environment, then defaults."""
        home = environment.get("VIADUCT_HOME")
        given = environment.get("VIADUCT_STATE")
        return cls(
            home=Path(home) if home else Path(__file__).resolve().parents[3],
            state_dir=(state_dir or (Path(given) if given else DEFAULT_STATE_DIR)).absolute(),
            verbose=verbose,
            boot_timeout=_seconds(environment, "VIADUCT_BOOT_TIMEOUT", cls.boot_timeout),
        )

    @property
    def database(self) -> Path:
        return self.state_dir / "viaduct.db"

    @property
    def log_dir(self) -> Path:
        return self.state_dir / "log"

    @property
    def run_dir(self) -> Path:
        return self.state_dir / "run"

    def cloud_dir(self, cloud: str) -> Path:
        return self.state_dir / "clouds" / cloud


def _seconds(environment: Mapping[str, str], name: str, default: float) -> float:
    given = environment.get(name)
    if given is None:
        return default
    try:
        seconds = float(given)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds < 86400:
        raise InputError(f"{name} is '{given}'.", "Give a number of seconds, such as 600.")
    return seconds
