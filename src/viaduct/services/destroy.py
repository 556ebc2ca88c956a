"""Stopping and removing a cloud."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Mapping
from pathlib import Path

from viaduct.engine.run import Handler, Report
from viaduct.errors import StateError, VCenterError
from viaduct.model.observed import NodeVm
from viaduct.model.plan import Plan, Step
from viaduct.planning import teardown
from viaduct.planning.names import folder_of
from viaduct.services.lab import Lab
from viaduct.services.ports import CloudRecords
from viaduct.services.tools import CloudTools


def stop_plan(tools: CloudTools | None, cloud: str, *, lab: bool) -> Plan:
    """What ``down`` would do. Without ``tools`` vCenter cannot be asked (it does not run)."""
    return teardown.stop(cloud, _nodes(tools, cloud), lab=lab)


def remove_plan(tools: CloudTools | None, cloud: str, *, known: bool, lab: bool) -> Plan:
    """What ``down --purge`` would do."""
    folder = None
    if tools is not None:
        path = folder_of(tools.site, cloud)
        folder = path if tools.vsphere.folder_exists(tools.site, path) else None
    return teardown.remove(cloud, _nodes(tools, cloud), folder=folder, known=known, lab=lab)


def _nodes(tools: CloudTools | None, cloud: str) -> Mapping[str, NodeVm]:
    return {vm.node: vm for vm in tools.vsphere.nodes(cloud)} if tools else {}


class TeardownActions:
    """Does the steps of :mod:`viaduct.planning.teardown`. ``tools`` is None when vCenter does not run."""

    def __init__(
        self,
        tools: CloudTools | None,
        lab: Lab,
        records: CloudRecords,
        cloud_dir: Path,
    ) -> None:
        self._tools = tools
        self._lab = lab
        self._records = records
        self._cloud_dir = cloud_dir

    def handlers(self) -> dict[str, Handler]:
        """The registry: action -> handler. Nothing of a removal is undone; running it again goes on."""
        return {
            teardown.SHUT_DOWN_NODE: Handler(self.shut_down),
            teardown.DELETE_NODE: Handler(self.delete_node),
            teardown.DELETE_FOLDER: Handler(self.delete_folder),
            teardown.FORGET_CLOUD: Handler(self.forget_cloud),
            teardown.STOP_LAB: Handler(lambda step, report: self._lab.stop(report)),
            teardown.PURGE_LAB: Handler(lambda step, report: self._lab.purge(report)),
        }

    def shut_down(self, step: Step, report: Report) -> None:
        vm = self._vm(step)
        if self._tools and vm:
            self._tools.vsphere.shut_down(vm, self._tools.patience.shutdown)

    def delete_node(self, step: Step, report: Report) -> None:
        vm = self._vm(step)
        if self._tools and vm:
            self._tools.vsphere.delete(vm)

    def delete_folder(self, step: Step, report: Report) -> None:
        if self._tools is None:
            return
        site, vsphere = self._tools.site, self._tools.vsphere
        path = folder_of(site, step.target)
        if vsphere.folder_exists(site, path):
            vsphere.delete_folder(site, path)
        # The parent goes with the last cloud in it; if it holds others, or belongs to someone, it stays.
        with contextlib.suppress(VCenterError):
            vsphere.delete_folder(site, site.management.folder)

    def forget_cloud(self, step: Step, report: Report) -> None:
        # The record goes last: until then the cloud is known to be ours.
        remove_tree(self._cloud_dir)
        self._records.remove(step.target)

    def _vm(self, step: Step) -> NodeVm | None:
        nodes = self._tools.vsphere.nodes(self._tools.name) if self._tools else ()
        return next((vm for vm in nodes if vm.node == step.target), None)


def remove_state(state_dir: Path, *, keep: tuple[str, ...] = ()) -> None:
    """Remove all in the state directory but ``keep``, and the directory itself when nothing is kept.

    Raises :class:`StateError` while something is mounted below it: removal would go through the mount.
    """
    mounts = mounts_below(state_dir)
    if mounts:
        raise StateError(
            f"{mounts[0]} is still mounted below the state directory.",
            f"Unmount it (umount {mounts[0]}), then run the same command again.",
        )
    for path in sorted(state_dir.iterdir()) if state_dir.is_dir() else ():
        if path.name not in keep:
            remove_tree(path)
    if not keep and state_dir.is_dir():
        with contextlib.suppress(OSError):
            # A state directory that is a mount point of its own stays, empty.
            state_dir.rmdir()


def remove_tree(path: Path) -> None:
    """Remove a file or a folder with all in it; nothing there is fine. Raises :class:`StateError`."""
    try:
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)
    except OSError as error:
        raise StateError(
            f"{error.filename or path} cannot be removed: {error.strerror}.",
            "Check what uses it (fuser -vm), then run the same command again.",
        ) from None


def mounts_below(path: Path) -> tuple[str, ...]:
    """Mount points strictly below ``path``, deepest first."""
    prefix = f"{str(path.resolve()).rstrip('/')}/"
    lines = Path("/proc/self/mountinfo").read_text(encoding="utf-8").splitlines()
    points = (line.split()[4].replace("\\040", " ") for line in lines)
    return tuple(sorted((p for p in points if p.startswith(prefix)), key=len, reverse=True))
