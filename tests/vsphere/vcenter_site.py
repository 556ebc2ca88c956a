"""A lab's vCenter for the adapter's tests: its site, a template, and an administrator's hands in it."""

from __future__ import annotations

import http.client
import socket
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any

from pyVim.connect import Disconnect, SmartConnect
from pyVim.task import WaitForTask
from pyVmomi import vim

from samples import sample_site
from vcenter_server import PASSWORD, USER, VCenterProcess, start_vcenter
from viaduct.model.cloud import Node
from viaduct.model.secret import Secret
from viaduct.model.site import Site, VCenter

TEMPLATE = "viaduct-appliance-0.1.0"
NODE = Node("node1", ("controller",), 2, 2048, IPv4Address("10.70.0.100"), IPv4Address("10.70.1.100"))


@dataclass
class Center:
    """The server, its site as an administrator would describe it, and another client's connection (pyVim)."""

    server: VCenterProcess
    vcenter: VCenter
    site: Site
    other: vim.ServiceInstance

    def entity(self, kind: type[Any], name: str) -> Any:
        """The object of that kind and name."""
        content: Any = self.other.RetrieveContent()
        view = content.viewManager.CreateContainerView(content.rootFolder, [kind], True)
        try:
            return next(o for o in view.view if o.name == name)
        finally:
            view.DestroyView()

    def devices(self, name: str, kind: type[Any]) -> list[Any]:
        """The VM's virtual devices of that kind, in device order."""
        return [d for d in self.machine(name).config.hardware.device if isinstance(d, kind)]

    def machine(self, name: str) -> Any:
        return self.entity(vim.VirtualMachine, name)

    def machine_names(self) -> list[str]:
        content: Any = self.other.RetrieveContent()
        view = content.viewManager.CreateContainerView(content.rootFolder, [vim.VirtualMachine], True)
        try:
            return sorted(o.name for o in view.view)
        finally:
            view.DestroyView()

    def publish(self, name: str, values: Mapping[str, str]) -> None:
        """Set extraConfig, as a guest does with vmware-rpctool."""
        options = [vim.option.OptionValue(key=k, value=v) for k, v in values.items()]
        WaitForTask(self.machine(name).ReconfigVM_Task(vim.vm.ConfigSpec(extraConfig=options)))

    def make_machine(self, name: str, folder: Any, **config: Any) -> Any:
        """A small VM made by hand on management-ds."""
        pool = self.entity(vim.ClusterComputeResource, "management").resourcePool
        spec = vim.vm.ConfigSpec(
            name=name,
            numCPUs=1,
            memoryMB=256,
            guestId="debian12_64Guest",
            files=vim.vm.FileInfo(vmPathName="[management-ds]"),
            **config,
        )
        WaitForTask(folder.CreateVM_Task(spec, pool))
        return self.machine(name)

    def put(self, datastore: str, path: str, content: bytes) -> None:
        """Write a file on a datastore."""
        stub = self.other._stub
        connection = http.client.HTTPSConnection(
            self.server.host, self.server.port, context=self.server.client_context(), timeout=10
        )
        connection.request(
            "PUT",
            f"/folder/{path}?dcPath=Datacenter&dsName={datastore}",
            body=content,
            headers={"Cookie": stub.cookie.partition(";")[0]},
        )
        assert connection.getresponse().status in (200, 201)
        connection.close()


def _template(center: Center) -> None:
    """A VM with a disk and one old adapter, turned into a template."""
    network = center.entity(vim.dvs.DistributedVirtualPortgroup, "trunk")
    device = vim.vm.device
    backing = device.VirtualEthernetCard.DistributedVirtualPortBackingInfo(
        port=vim.dvs.PortConnection(
            portgroupKey=network.key, switchUuid=network.config.distributedVirtualSwitch.uuid
        )
    )
    controller = device.ParaVirtualSCSIController(key=-1, busNumber=0, sharedBus="noSharing")
    disk = device.VirtualDisk(
        key=-2,
        controllerKey=-1,
        unitNumber=0,
        capacityInKB=1 << 20,
        backing=device.VirtualDisk.FlatVer2BackingInfo(
            fileName="[management-ds]", diskMode="persistent", thinProvisioned=True
        ),
    )
    card = device.VirtualE1000(key=-3, backing=backing, addressType="generated")
    add = [
        device.VirtualDeviceSpec(operation="add", device=controller),
        device.VirtualDeviceSpec(operation="add", device=disk, fileOperation="create"),
        device.VirtualDeviceSpec(operation="add", device=card),
    ]
    folder = center.entity(vim.Datacenter, "Datacenter").vmFolder
    center.make_machine(TEMPLATE, folder, deviceChange=add)
    center.machine(TEMPLATE).MarkAsTemplate()


@contextmanager
def prepared(folder: Path, **options: Any) -> Iterator[Center]:
    """A running vCenter with the template in it."""
    with start_vcenter(folder, **{"network": "127.0.81", **options}) as server:
        vcenter = VCenter(server.host, USER, Secret(PASSWORD), server.port, ca_file=server.ca_file)
        other = SmartConnect(
            host=server.host,
            port=server.port,
            user=USER,
            pwd=PASSWORD,
            sslContext=server.client_context(),
        )
        site = sample_site()
        center = Center(server, vcenter, replace(site, vcenter=vcenter, template=TEMPLATE), other)
        _template(center)
        yield center
        Disconnect(other)


class Relay:
    """Forwards TCP connections from loopback: the same server under another name."""

    def __init__(self, host: str, port: int) -> None:
        self._target = (host, port)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._serve, daemon=True).start()

    def close(self) -> None:
        self._listener.close()

    def _serve(self) -> None:
        while True:
            try:
                near, _ = self._listener.accept()
            except OSError:
                return
            far = socket.create_connection(self._target)
            for one, other in ((near, far), (far, near)):
                threading.Thread(target=self._copy, args=(one, other), daemon=True).start()

    @staticmethod
    def _copy(source: socket.socket, target: socket.socket) -> None:
        try:
            while chunk := source.recv(65536):
                target.sendall(chunk)
            target.shutdown(socket.SHUT_WR)
        except OSError:
            pass
