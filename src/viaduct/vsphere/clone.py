"""Cloning a node from the appliance's template: look first, clone, complete; every step can be repeated."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from pyVmomi import vim

from viaduct.errors import VCenterError
from viaduct.model.cloud import Node
from viaduct.model.observed import NodeVm
from viaduct.model.site import Site
from viaduct.vsphere import nodes, places, wait
from viaduct.vsphere.collect import Row, one
from viaduct.vsphere.session import Session

Report = Callable[[str], None]

CONSOLE_FILE = "console.log"


@dataclass(frozen=True)
class Wanted:
    """The VM to make: where, from what, how large, connected to what."""

    cloud: str
    node: Node
    name: str
    template: Row
    folder: Any
    pool: Any
    datastore: Any
    backings: tuple[Any, ...]
    shape: str


class Cloner:
    """Clones nodes in one session, remembering its own tasks so that siblings do not wait for each other."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._lock = threading.Lock()
        self._own_tasks: set[str] = set()

    def clone(
        self, site: Site, cloud: str, node: Node, guestinfo: Mapping[str, str], report: Report
    ) -> NodeVm:
        """The node's VM, powered off: an equal one that is already there, or a new one."""
        wanted = self._wanted(site, cloud, node)
        self._await_earlier_clones(wanted, report)
        machine = self._existing(wanted, report)
        if machine is None:
            machine = self._start(wanted, guestinfo, report)
        self._complete(machine, wanted, guestinfo)
        row = one(self._session, machine, nodes.PATHS)
        if row is None:
            raise VCenterError(f"VM {wanted.name} was removed while it was being made.", "Run again.")
        return nodes.describe(row)

    def _wanted(self, site: Site, cloud: str, node: Node) -> Wanted:
        session = self._session
        home = places.datacenter(session, site)
        found = places.Places(session, home, site)
        inside, outside = site.management_network.port_group, site.external_network.port_group
        return Wanted(
            cloud=cloud,
            node=node,
            name=f"{cloud}-{node.name}",
            template=found.template(),
            folder=places.ensure_folder(session, home, f"{site.management.folder}/{cloud}"),
            pool=found.pool(),
            datastore=found.datastore(site.management.datastore, "management.datastore"),
            backings=(
                found.network_backing(inside, "networks.management.port_group"),
                found.network_backing(outside, "networks.external.port_group"),
            ),
            shape=shape(site, node),
        )

    def _await_earlier_clones(self, wanted: Wanted, report: Report) -> None:
        """Wait for clones of the template that an interrupted run may have left in flight.

        A task does not tell the name of the VM that it makes: waiting for it, then looking, is safe.
        """
        row = one(self._session, wanted.template.reference, ("recentTask",))
        for task in (row.get("recentTask") if row is not None else None) or ():
            with self._lock:
                if task._moId in self._own_tasks:
                    continue
            info = one(self._session, task, ("info.descriptionId", "info.state"))
            if info is None or not info.get("info.descriptionId", "").startswith("VirtualMachine.clone"):
                continue
            if info.get("info.state") in (vim.TaskInfo.State.queued, vim.TaskInfo.State.running):
                report("waiting for a clone that is already under way")
                try:
                    wait.task(self._session, task, "clone the template", report)
                except VCenterError:
                    report("the clone under way failed; starting anew")

    def _existing(self, wanted: Wanted, report: Report) -> Any | None:
        """A VM of our name in our folder: an equal one is taken over, a half-made one of ours is removed."""
        found = places.child(self._session, wanted.folder, wanted.name)
        if found is None:
            return None
        row = one(self._session, found, nodes.PATHS) if isinstance(found, vim.VirtualMachine) else None
        extra = nodes.extra_config(row) if row is not None else {}
        ours = extra.get(nodes.CLOUD_KEY) == wanted.cloud
        complete = extra.get(nodes.NODE_KEY) == wanted.node.name
        if ours and (complete or extra.get(nodes.SHAPE_KEY) == wanted.shape):
            report(f"found {wanted.name} already cloned")
            return found
        removable = row is not None and row.get("runtime.powerState") == "poweredOff"
        if not removable or extra.get(nodes.CLOUD_KEY, wanted.cloud) != wanted.cloud:
            raise VCenterError(
                f"{wanted.name} exists in the cloud's folder in vCenter, but is not that node's VM.",
                "If you do not need it, delete or move it in vCenter; then run the same command again.",
            )
        report(f"removing the half-made {wanted.name}")
        wait.task(self._session, found.Destroy_Task(), f"remove the half-made VM {wanted.name}")
        return None

    def _start(self, wanted: Wanted, guestinfo: Mapping[str, str], report: Report) -> Any:
        devices = one(self._session, wanted.template.reference, ("config.hardware.device",))
        existing = devices.get("config.hardware.device") if devices is not None else None
        spec = clone_spec(wanted, existing or (), guestinfo)
        task = wanted.template.reference.CloneVM_Task(wanted.folder, wanted.name, spec)
        with self._lock:
            self._own_tasks.add(task._moId)
        return wait.task(self._session, task, f"clone VM {wanted.name}", report)

    def _complete(self, machine: Any, wanted: Wanted, guestinfo: Mapping[str, str]) -> None:
        """Add what needs the VM's directory, and the mark that says that the VM is complete."""
        row = one(
            self._session,
            machine,
            ("config.files.vmPathName", "config.hardware.device", "config.extraConfig"),
        )
        if row is None or nodes.extra_config(row).get(nodes.NODE_KEY) == wanted.node.name:
            return
        changes = []
        if not any(isinstance(d, vim.vm.device.VirtualSerialPort) for d in row.get("config.hardware.device")):
            changes.append(serial_port(row.get("config.files.vmPathName", "")))
        spec = vim.vm.ConfigSpec(
            deviceChange=changes,
            extraConfig=options({nodes.NODE_KEY: wanted.node.name, **prefixed(guestinfo)}),
        )
        wait.task(self._session, machine.ReconfigVM_Task(spec), f"complete VM {wanted.name}")


def shape(site: Site, node: Node) -> str:
    """Digest of all that decides how the VM is made; an interrupted clone of equal shape is taken over."""
    parts = [
        site.template,
        site.management.cluster,
        site.management.resource_pool,
        site.management.datastore,
        site.management_network.port_group,
        site.external_network.port_group,
        node.name,
        node.cpus,
        node.memory_mb,
    ]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:16]


def clone_spec(wanted: Wanted, template_devices: Any, guestinfo: Mapping[str, str]) -> Any:
    """The template's adapters give way to ours, so that their number, type and order are certain."""
    remove = [
        vim.vm.device.VirtualDeviceSpec(operation="remove", device=d)
        for d in template_devices
        if isinstance(d, vim.vm.device.VirtualEthernetCard | vim.vm.device.VirtualSerialPort)
    ]
    marks = {
        nodes.CLOUD_KEY: wanted.cloud,
        nodes.TEMPLATE_KEY: wanted.template.name,
        nodes.SHAPE_KEY: wanted.shape,
    }
    config = vim.vm.ConfigSpec(
        numCPUs=wanted.node.cpus,
        numCoresPerSocket=1,
        memoryMB=wanted.node.memory_mb,
        annotation=f"Viaduct: node {wanted.node.name} of cloud {wanted.cloud}. Made and managed by Viaduct.",
        deviceChange=[*remove, *(_adapter(-101 - i, b) for i, b in enumerate(wanted.backings))],
        extraConfig=options({**marks, **prefixed(guestinfo)}),
    )
    location = vim.vm.RelocateSpec(pool=wanted.pool, datastore=wanted.datastore)
    return vim.vm.CloneSpec(location=location, config=config, powerOn=False, template=False)


def serial_port(vm_path: str) -> Any:
    """A serial port whose output goes to a file beside the VM's own (``[ds] dir/name.vmx``)."""
    directory = vm_path.rpartition("/")[0]
    return vim.vm.device.VirtualDeviceSpec(
        operation="add",
        device=vim.vm.device.VirtualSerialPort(
            key=-201,
            yieldOnPoll=True,
            backing=vim.vm.device.VirtualSerialPort.FileBackingInfo(fileName=f"{directory}/{CONSOLE_FILE}"),
            connectable=vim.vm.device.VirtualDevice.ConnectInfo(
                startConnected=True, connected=True, allowGuestControl=False
            ),
        ),
    )


def prefixed(guestinfo: Mapping[str, str]) -> dict[str, str]:
    return {f"guestinfo.{key}": value for key, value in guestinfo.items()}


def options(values: Mapping[str, str]) -> list[Any]:
    return [vim.option.OptionValue(key=k, value=v) for k, v in values.items()]


def _adapter(key: int, backing: Any) -> Any:
    return vim.vm.device.VirtualDeviceSpec(
        operation="add",
        device=vim.vm.device.VirtualVmxnet3(
            key=key,
            backing=backing,
            addressType="generated",
            wakeOnLanEnabled=True,
            connectable=vim.vm.device.VirtualDevice.ConnectInfo(
                startConnected=True, connected=True, allowGuestControl=True
            ),
        ),
    )
