"""The use case ``up``: from a bare machine to a verified cloud, as one run."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from viaduct.engine.run import Report, Run
from viaduct.model.plan import Step
from viaduct.planning.modes import mode_of
from viaduct.planning.plan import forecast
from viaduct.planning.request import SpecRequest
from viaduct.services.deploy import OBSERVE, OBSERVE_AGAIN, Deployed, deploy
from viaduct.services.images import BUILDER_PACKAGES, Images
from viaduct.services.lab import LAB_PACKAGES, Lab
from viaduct.services.machine import Machine
from viaduct.services.tools import CloudTools

CHECK_MACHINE = Step("check-machine", "machine", "Check this machine")
INSTALL_PACKAGES = Step("install-packages", "machine", "Install missing Debian packages")
BUILD_IMAGE = Step("build-image", "appliance", "Build the appliance image")
START_LAB = Step("start-lab", "lab", "Start the lab")
CONNECT = Step("connect", "vcenter", "Log in to vCenter")


@dataclass(frozen=True)
class LocalParts:
    """What stands on the administrator's machine."""

    machine: Machine
    images: Images
    lab: Lab


def machine_steps(*, lab: bool) -> list[Step]:
    """Steps before the deployment itself."""
    return [CHECK_MACHINE, *((BUILD_IMAGE, START_LAB) if lab else ()), CONNECT, OBSERVE]


def up(
    run: Run,
    parts: LocalParts,
    site_file: Path | None,
    request: SpecRequest,
    connect: Callable[[Path, bool], CloudTools],
    *,
    verify: bool,
) -> tuple[Deployed, CloudTools]:
    """Make a cloud work on the described site, or on the lab when there is no ``site_file``.

    ``connect`` reads a site file (True: the lab's) and logs in to its vCenter.
    """
    lab = site_file is None
    names = tuple(layout.name for layout in mode_of(request.mode).nodes)
    guessed = forecast(request.name or "", names, verify=verify)
    run.expect([*machine_steps(lab=lab), *guessed.steps, OBSERVE_AGAIN])
    _prepare_machine(run, parts, lab=lab)
    path = site_file or _start_lab(run, parts)
    connected: list[CloudTools] = []

    def log_in(step: Step, report: Report) -> None:
        connected.append(connect(path, lab))

    run.perform(CONNECT, log_in)
    tools = connected[-1]
    return deploy(run, tools, request, verify=verify), tools


def _prepare_machine(run: Run, parts: LocalParts, *, lab: bool) -> None:
    missing: list[str] = []

    def check(step: Step, report: Report) -> None:
        parts.machine.check(lab=lab, image_built=parts.images.current() is not None)
        if lab:
            missing.extend(parts.machine.missing_packages((BUILDER_PACKAGES, LAB_PACKAGES)))

    run.perform(CHECK_MACHINE, check)
    if missing:
        reason = "to build the appliance and run the lab"
        run.perform(
            INSTALL_PACKAGES,
            lambda step, report: parts.machine.install(tuple(missing), reason, report),
        )


def _start_lab(run: Run, parts: LocalParts) -> Path:
    started: list[Path] = []

    def build(step: Step, report: Report) -> None:
        parts.images.build(report)

    def start(step: Step, report: Report) -> None:
        image = parts.images.current()
        assert image is not None, "the step before built it"
        started.append(parts.lab.start(image.directory, report))

    run.perform(BUILD_IMAGE, build)
    run.perform(START_LAB, start)
    return started[-1]
