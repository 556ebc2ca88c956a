"""The appliance's images: building them, and finding the current one."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from viaduct.engine.run import Report
from viaduct.errors import ImageError
from viaduct.services.process import Runner, run_process

BUILDER_PACKAGES = "appliance/host-packages.txt"
_ADVICE = "Check that the Debian mirror and the Python package index answer and that the disk is not full."


@dataclass(frozen=True)
class Image:
    """A built image. ``directory`` holds its manifest; ``layers`` are the directories it consists of."""

    id: str
    version: str
    directory: Path
    layers: tuple[str, ...]
    current: bool


class Images:
    """The images in the state directory. ``home`` is Viaduct's folder, ``python`` a system interpreter."""

    def __init__(
        self, home: Path, state_dir: Path, python: str = "python3", runner: Runner = run_process
    ) -> None:
        self._home = home
        self._state_dir = state_dir
        self._python = python
        self._runner = runner

    @property
    def directory(self) -> Path:
        return self._state_dir / "images"

    def current(self) -> Image | None:
        """The image that is used now; None when none is built."""
        link = self.directory / "current"
        return _load(link.resolve(), current=True) if (link / "manifest.json").is_file() else None

    def all(self) -> tuple[Image, ...]:
        """All whole images, by id."""
        now = self.current()
        found = sorted(self.directory.glob("*/manifest.json"))
        directories = {path.parent.resolve() for path in found}
        return tuple(_load(d, current=bool(now and now.directory == d)) for d in sorted(directories))

    def build(self, report: Report) -> Image:
        """Build what has changed (nothing, if nothing has). Raises :class:`ImageError`."""
        failures: list[str] = []
        ended = self._runner(self.build_command("--json"), _progress(report, failures))
        if ended.exit_status != 0:
            failure = failures[-1] if failures else ended.reason
            raise ImageError(
                f"The appliance could not be built: {failure}",
                f"{ended.remedy or _ADVICE} Run the same command again: what is built is kept.",
                detail=ended.detail,
            )
        image = self.current()
        if image is None:
            raise ImageError(
                "The image builder ended well but left no current image.",
                f"Remove {self.directory} and run './viaduct image build' again.",
            )
        return image

    def build_command(self, *options: str) -> list[str]:
        """The builder's argument vector."""
        builder = str(self._home / "appliance" / "build.py")
        return [self._python, builder, "--state", str(self._state_dir), *options]


def _progress(report: Report, failures: list[str]) -> Callable[[str], None]:
    """Turns the builder's JSON lines (step, title, state, seconds) into lines of progress."""

    def line(text: str) -> None:
        try:
            event = json.loads(text)
            title, state = event["title"], event["state"]
        except (ValueError, KeyError, TypeError):
            return
        if state in ("failed", "error"):
            failures.append(title)
        if state == "done":
            report(f"{title}: done in {float(event.get('seconds', 0)):.0f} s")
        elif state == "started":
            report(f"{title} …")
        elif state != "cached":
            report(f"{title}: {state}")

    return line


def _load(directory: Path, *, current: bool) -> Image:
    path = directory / "manifest.json"
    try:
        manifest = json.loads(path.read_text(encoding="utf-8"))
        layers = tuple(str((directory / layer).resolve()) for layer in manifest["layers"])
        return Image(manifest["id"], manifest["version"], directory, layers, current)
    except (OSError, ValueError, KeyError) as error:
        raise ImageError(
            f"The image manifest {path} cannot be read: {error}.",
            f"Remove {directory} and run './viaduct image build'.",
        ) from None
