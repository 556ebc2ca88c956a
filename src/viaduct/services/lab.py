"""The lab, driven through its own command. It is never imported."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from viaduct.engine.run import Report
from viaduct.errors import LabError
from viaduct.services.process import Ended, Runner, run_process

LAB_PACKAGES = "lab/host-packages.txt"


class Lab:
    """The lab of one state directory."""

    def __init__(self, state_dir: Path, runner: Runner = run_process) -> None:
        self.directory = state_dir / "lab"
        self._runner = runner

    @property
    def site_file(self) -> Path:
        """The site file that the lab writes when it starts."""
        return self.directory / "site.yaml"

    @property
    def exists(self) -> bool:
        """Whether there is anything of a lab."""
        return self.directory.exists()

    def running(self) -> bool:
        """Whether its vCenter runs now. (That its address answers would prove nothing: a lab that is stopped
        leaves its addresses to others.)"""
        return self.site_file.is_file() and self.status().get("running") is True

    def command(self, *arguments: str) -> list[str]:
        """The argument vector of a lab command."""
        return [sys.executable, "-m", "viaduct_lab", "--state", str(self.directory), *arguments]

    def start(self, image: Path, report: Report) -> Path:
        """Start it, or find it running; returns the site file. Raises :class:`LabError`."""
        self._run(("start", "--image", str(image)), "started", report)
        if not self.site_file.is_file():
            raise LabError(
                "The lab started but wrote no site file.", "Run './viaduct lab status' and look at its log."
            )
        return self.site_file

    def stop(self, report: Report) -> None:
        """Stop it with all its guests. Raises :class:`LabError`."""
        self._run(("stop",), "stopped", report)

    def purge(self, report: Report) -> None:
        """Remove all of it. Raises :class:`LabError`."""
        self._run(("purge",), "removed", report)

    def status(self) -> dict[str, Any]:
        """What ``lab status --json`` says; ``{"running": false}`` at least when it does not run."""
        lines: list[str] = []
        self._runner(self.command("status", "--json"), lines.append)
        try:
            found = json.loads("\n".join(lines))
        except ValueError:
            return {"running": False}
        return found if isinstance(found, dict) else {"running": False}

    def _run(self, arguments: tuple[str, ...], done: str, report: Report) -> Ended:
        ended = self._runner(self.command(*arguments), report)
        if ended.exit_status != 0:
            raise LabError(
                f"The lab could not be {done}: {ended.reason}",
                ended.remedy or f"Its logs are in {self.directory}; './viaduct lab status' shows what runs.",
                detail=ended.detail,
            )
        return ended
