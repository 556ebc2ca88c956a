"""Switching VMs on again through the vCenter, as vSphere HA does after a power failure."""

from __future__ import annotations

import http.client
import ssl
from collections.abc import Iterable
from typing import Any

from pyVim.connect import Disconnect, SmartConnect
from pyVmomi import vim, vmodl

from viaduct_lab.lab import blueprint
from viaduct_lab.lab.record import LabPaths


class VCenterRefused(Exception):
    """The vCenter cannot be spoken to; the text says why."""


def switch_on(paths: LabPaths, address: str, port: int, vm_ids: Iterable[str]) -> dict[str, str]:
    """Power on ``vm_ids`` through the vCenter; what went wrong, by VM. VMs that are gone are passed over.

    Raises :class:`VCenterRefused`.
    """
    context = ssl.create_default_context(cafile=str(paths.pki.ca))
    password = paths.password.read_text().strip()
    try:
        connection = SmartConnect(
            host=address,
            port=port,
            user=blueprint.USERNAME,
            pwd=password,
            sslContext=context,
            httpConnectionTimeout=30,
        )
        try:
            return _switch_on(connection, vm_ids)
        finally:
            Disconnect(connection)
    except vmodl.MethodFault as fault:
        raise VCenterRefused(_text(fault)) from fault
    except (OSError, http.client.HTTPException) as error:
        raise VCenterRefused(str(error)) from error


def _switch_on(connection: Any, vm_ids: Iterable[str]) -> dict[str, str]:
    problems: dict[str, str] = {}
    stub = connection._GetStub()
    started = {vm_id: _power_on(vim.VirtualMachine(vm_id, stub), problems) for vm_id in vm_ids}
    for vm_id, task in started.items():
        if task is not None:
            _await(connection, task, vm_id, problems)
    return problems


def _text(fault: Any) -> str:
    return str(getattr(fault, "msg", None) or type(fault).__name__)


def _power_on(machine: Any, problems: dict[str, str]) -> Any:
    try:
        if machine.runtime.powerState == vim.VirtualMachine.PowerState.poweredOn:
            return None
        return machine.PowerOnVM_Task()
    except vmodl.fault.ManagedObjectNotFound:
        return None
    except vmodl.MethodFault as fault:
        problems[machine._moId] = _text(fault)
        return None


def _await(connection: Any, task: Any, vm_id: str, problems: dict[str, str]) -> None:
    collector = connection.content.propertyCollector
    kind = vmodl.query.PropertyCollector
    spec = kind.FilterSpec(
        objectSet=[kind.ObjectSpec(obj=task)],
        propSet=[kind.PropertySpec(type=vim.Task, pathSet=["info.state"])],
    )
    watched = collector.CreateFilter(spec, True)
    version = ""
    try:
        for _ in range(12):
            if task.info.state in ("success", "error"):
                break
            update = collector.WaitForUpdatesEx(version, kind.WaitOptions(maxWaitSeconds=10))
            version = update.version if update else version
        if task.info.state != "success":
            problems[vm_id] = str(getattr(task.info.error, "msg", None) or "no end of its task")
    finally:
        watched.Destroy()
