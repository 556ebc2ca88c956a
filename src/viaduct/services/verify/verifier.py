"""Carrying out the checks, and telling which one failed, with what OpenStack and vCenter say about it."""

from __future__ import annotations

import secrets
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from viaduct.errors import CloudError, VCenterError, VerificationFailed, ViaductError
from viaduct.model.cloud import Cloud
from viaduct.services.verify.checks import STAGES, Check, Track
from viaduct.services.verify.end_checks import clear_image_cache, remove_folders
from viaduct.services.verify.expectations import describe
from viaduct.services.verify.ports import InstanceInventory, Tenancy
from viaduct.services.verify.run import CheckFailed, Run

Report = Callable[[str], None]

PREFIX = "viaduct-verify-"
"""Of the names of all that a verification makes: what an interrupted one left is found by it."""


class TenantVerifier:
    """Implements :class:`viaduct.services.ports.Verifier`.

    ``tenancy`` is called once per verification and closed at its end. Two verifications of one cloud must not
    run at the same time: each begins by removing what others left.
    """

    def __init__(
        self,
        tenancy: Callable[[], Tenancy],
        inventory: InstanceInventory,
        stages: tuple[tuple[Track, ...], ...] = STAGES,
    ) -> None:
        self._tenancy = tenancy
        self._inventory = inventory
        self._stages = stages

    def verify(self, cloud: Cloud, report: Report) -> None:
        tenancy = self._tenancy()
        try:
            self._verify(cloud, tenancy, report)
        finally:
            tenancy.close()

    def _verify(self, cloud: Cloud, tenancy: Tenancy, report: Report) -> None:
        self._purge(cloud, tenancy, PREFIX, report)
        project = PREFIX + secrets.token_hex(4)
        failed = True
        try:
            with tempfile.TemporaryDirectory(prefix=PREFIX) as scratch:
                run = Run(
                    project=project,
                    site=cloud.site,
                    tenant=tenancy.create_tenant(project),
                    tenancy=tenancy,
                    inventory=self._inventory,
                    scratch=Path(scratch),
                )
                for stage in self._stages:
                    _side_by_side(stage, run, report)
            failed = False
        finally:
            self._clean_up(cloud, tenancy, project, report, quietly=failed)

    def _clean_up(
        self, cloud: Cloud, tenancy: Tenancy, project: str, report: Report, *, quietly: bool
    ) -> None:
        """Remove what is left; after a failed check a failing clean-up must not hide it."""
        try:
            self._purge(cloud, tenancy, project, report)
        except ViaductError as problem:
            if not quietly:
                raise
            report(f"clean-up failed: {problem.sentence}")

    def _purge(self, cloud: Cloud, tenancy: Tenancy, prefix: str, report: Report) -> None:
        purged = tenancy.purge(prefix, report)
        clear_image_cache(self._inventory, cloud.site, purged.images)
        remove_folders(self._inventory, cloud.site, purged.projects)


def _side_by_side(stage: tuple[Track, ...], run: Run, report: Report) -> None:
    """Run the tracks of a stage; the first failure is raised when all have ended."""
    if len(stage) == 1:
        _follow(stage[0], run, report)
        return
    with ThreadPoolExecutor(len(stage), thread_name_prefix="verify") as pool:
        futures = [pool.submit(_follow, track, run, report) for track in stage]
    for future in futures:
        future.result()


def _follow(track: Track, run: Run, report: Report) -> None:
    for check in track:
        started = time.monotonic()
        try:
            check.work(run, started + check.seconds)
        except (CheckFailed, CloudError, VCenterError) as problem:
            raise _failure(check, run, problem, time.monotonic() - started) from problem
        report(f"{check.title}: {time.monotonic() - started:.1f} s")


def _failure(check: Check, run: Run, problem: Exception, seconds: float) -> VerificationFailed:
    told = problem.sentence if isinstance(problem, ViaductError) else str(problem)
    lines = [f"check {check.name}, after {seconds:.1f} s"]
    if check.subject in run.ids:
        lines.append(f"OpenStack: {_openstack_says(check.subject, run) or 'gives no further reason'}")
    if "server" in run.ids:
        lines.append(f"vCenter: {_vcenter_shows(run)}")
    if isinstance(problem, ViaductError) and problem.detail:
        lines.append(problem.detail)
    return VerificationFailed(
        f"Verification failed at '{check.title}': {told.rstrip('.')}.",
        "Look at the services' logs on the node ('./viaduct node ssh NAME', journalctl) and at Recent Tasks "
        "in vCenter; then './viaduct verify' checks again.",
        detail="\n".join(lines),
    )


def _openstack_says(subject: str, run: Run) -> str:
    try:
        if subject == "server":
            return run.tenant.explain_server(run.ids["server"])
        return run.tenant.explain_volume(run.ids[subject])
    except CloudError as problem:
        return problem.sentence


def _vcenter_shows(run: Run) -> str:
    try:
        return describe(run.inventory.instance(run.ids["server"]))
    except VCenterError as problem:
        return problem.sentence
