"""What the tests need of a vSphere client: short ways to objects, specs and waiting for tasks."""

from __future__ import annotations

import http.client
import time
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import pyVmomi
from pyVim.connect import Disconnect, SmartConnect

from vcenter_server import PASSWORD, USER, VCenterProcess

vim: Any = pyVmomi.vim
device: Any = vim.vm.device
Change: Any = device.VirtualDeviceSpec
MIB = 1 << 20


class Lab:
    """A logged-in client of one server."""

    def __init__(self, server: VCenterProcess) -> None:
        self.server = server
        self.service: Any = SmartConnect(
            host=server.host, port=server.port, user=USER, pwd=PASSWORD,
            sslContext=server.client_context(),
        )  # fmt: skip
        self.content = self.service.RetrieveContent()
        self.datacenter = self.content.rootFolder.childEntity[0]

    def close(self) -> None:
        Disconnect(self.service)

    def clean(self) -> None:
        """Destroy all machines that a test left."""
        for machine in self.machines():
            if machine.runtime.powerState != "poweredOff":
                self.wait(machine.PowerOff())
            self.wait(machine.Destroy_Task())

    # finding --------------------------------------------------------------------------------

    def machines(self) -> list[Any]:
        view = self.content.viewManager.CreateContainerView(
            self.content.rootFolder, [vim.VirtualMachine], True
        )
        found = list(view.view)
        view.DestroyView()
        return found

    def cluster(self, name: str = "compute") -> Any:
        return next(c for c in self.datacenter.hostFolder.childEntity if c.name == name)

    def datastore(self, name: str = "compute-ds") -> Any:
        return next(d for d in self.datacenter.datastore if d.name == name)

    def network(self, name: str) -> Any:
        return next(n for n in self.datacenter.network if n.name == name)

    @property
    def switch(self) -> Any:
        return next(
            e for e in self.datacenter.networkFolder.childEntity
            if isinstance(e, vim.DistributedVirtualSwitch)
        )  # fmt: skip

    def local(self, path: str) -> Path:
        """The real file of a datastore path."""
        store, _, rest = path[1:].partition("] ")
        return self.server.config.datastores_dir / store / rest

    def flat(self, disk: Any) -> Path:
        """The real file with the bytes of a VirtualDisk."""
        return self.local(disk.backing.fileName.replace(".vmdk", "-flat.vmdk"))

    # doing ----------------------------------------------------------------------------------

    def wait(self, task: Any) -> Any:
        """The task's result; raises its fault."""
        end = time.monotonic() + 20
        while task.info.state in ("queued", "running"):
            assert time.monotonic() < end, f"{task.info.name} takes too long"
            time.sleep(0.005)
        if task.info.state == "error":
            raise task.info.error
        return task.info.result

    def create(self, name: str, *changes: Any, **fields: Any) -> Any:
        """A machine on compute-ds with a SCSI controller and ``changes`` of devices."""
        controller = device.ParaVirtualSCSIController(key=-101, busNumber=0, sharedBus="noSharing")
        spec = vim.vm.ConfigSpec(
            **{
                "name": name,
                "numCPUs": 1,
                "memoryMB": 256,
                "guestId": "otherGuest64",
                "files": vim.vm.FileInfo(vmPathName="[compute-ds]"),
                **fields,
            },
            deviceChange=[Change(operation="add", device=controller), *changes],
        )
        folder, pool = self.datacenter.vmFolder, self.cluster().resourcePool
        return self.wait(folder.CreateVM_Task(config=spec, pool=pool))

    def reconfigure(self, machine: Any, *changes: Any, **fields: Any) -> None:
        spec = vim.vm.ConfigSpec(deviceChange=list(changes), **fields)
        self.wait(machine.ReconfigVM_Task(spec))

    def adapter(self, network: str) -> Any:
        """The change that adds a vmxnet3 on a distributed port group."""
        group = self.network(network)
        port = vim.dvs.PortConnection(
            switchUuid=group.config.distributedVirtualSwitch.uuid, portgroupKey=group.key
        )
        backing = device.VirtualEthernetCard.DistributedVirtualPortBackingInfo(port=port)
        return Change(operation="add", device=device.VirtualVmxnet3(key=-3, backing=backing))

    # HTTP -----------------------------------------------------------------------------------

    def http(
        self, method: str, path: str, body: Any = None, *, host: str | None = None, **headers: str
    ) -> tuple[int, bytes]:
        """A request with the session's cookie: (status, body)."""
        connection = http.client.HTTPSConnection(
            host or self.server.host, self.server.port,
            context=self.server.client_context(), timeout=20,
        )  # fmt: skip
        cookie = self.service._stub.cookie.split(";")[0]
        sent = {"Cookie": cookie, **{k.replace("_", "-"): v for k, v in headers.items()}}
        chunked = body is not None and not isinstance(body, bytes)
        connection.request(method, path, body, sent, encode_chunked=chunked)
        response = connection.getresponse()
        answer = response.status, response.read()
        connection.close()
        return answer

    def folder_url(self, path: str, store: str = "compute-ds", center: str = "Datacenter") -> str:
        return f"/folder/{quote(path)}?dcPath={quote(center)}&dsName={store}"

    def lease_ready(self, lease: Any) -> Any:
        end = time.monotonic() + 20
        while lease.state == "initializing":
            assert time.monotonic() < end
            time.sleep(0.01)
        return lease


def add_disk(size: int = 4 * MIB, unit: int = 0, file: str = "", **backing: Any) -> Any:
    """The change that adds a new disk of ``size`` bytes to the first SCSI controller."""
    flat = device.VirtualDisk.FlatVer2BackingInfo(
        **{"fileName": file, "diskMode": "persistent", "thinProvisioned": True, **backing}
    )
    disk = device.VirtualDisk(
        key=-1 - unit, controllerKey=-101, unitNumber=unit, capacityInKB=size // 1024, backing=flat
    )
    return Change(operation="add", fileOperation="create", device=disk)


def of_type(machine: Any, cls: Any) -> list[Any]:
    return [d for d in machine.config.hardware.device if isinstance(d, cls)]


def disks(machine: Any) -> list[Any]:
    return of_type(machine, device.VirtualDisk)


def adapters(machine: Any) -> list[Any]:
    return of_type(machine, device.VirtualEthernetCard)


def extra(machine: Any) -> dict[str, str]:
    return {option.key: option.value for option in machine.config.extraConfig}


def url_path(url: str) -> str:
    return urlsplit(url).path
