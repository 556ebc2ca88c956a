"""Switching VMs on again through the vCenter, as vSphere HA does after a power failure."""

from __future__ import annotations

import ssl
from collections.abc import Iterable
from typing import Any

from pyVim.connect import Disconnect, SmartConnect
from pyVmomi import vim, vmodl

from viaduct_lab.lab import blueprint
from viaduct_lab.lab.record import LabPaths


def switch_on(paths: LabPaths, address: str, port: int, vm_ids: Iterable[str]) -> dict[str, str]:
    """Power on ``vm_ids`` through the vCenter; what went wrong, by VM. VMs that are gone are passed over."""
    context = ssl.create_default_context(cafile=str(paths.pki.ca))
    password = paths.password.read_text().strip()
    connection = SmartConnect(
        host=address,
        port=port,
        user=blueprint.USERNAME,
        pwd=password,
        sslContext=context,
        httpConnectionTimeout=30,
    )
    problems: dict[str, str] = {}
    try:
        stub = connection._GetStub()
        started = {vm_id: _power_on(vim.VirtualMachine(vm_id, stub), problems) for vm_id in vm_ids}
        for vm_id, task in started.items():
            if task is not None:
                _await(connection, task, vm_id, problems)
    finally:
        Disconnect(connection)
    return problems


def _power_on(machine: Any, problems: dict[str, str]) -> Any:
    try:
        if machine.runtime.powerState == vim.VirtualMachine.PowerState.poweredOn:
            return None
        return machine.PowerOnVM_Task()
    except vmodl.fault.ManagedObjectNotFound:
        return None
    except vmodl.MethodFault as fault:
        problems[machine._moId] = str(getattr(fault, "msg", None) or type(fault).__name__)
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
