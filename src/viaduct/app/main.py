"""Where the program begins."""

from __future__ import annotations

from pathlib import Path

from viaduct.cli.main import main as run_command_line


def _application(state_dir: Path | None, verbose: bool) -> object:
    from viaduct.app.application import ViaductApplication
    from viaduct.app.settings import Settings

    return ViaductApplication(Settings.found(state_dir, verbose=verbose))


def main() -> int:
    """Run the command line with the real adapters; returns the exit status."""
    return run_command_line(_application)  # type: ignore[arg-type]
