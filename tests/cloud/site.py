"""The lab's site, read as an administrator would: the site file, and the vCenter through pyVmomi."""

from __future__ import annotations

import http.client
import json
import socket
import ssl
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import yaml
from pyVim.connect import Disconnect, SmartConnect
from pyVim.task import WaitForTask
from pyVmomi import vim


def site_file(state: Path) -> dict[str, Any]:
    """The site file that the lab wrote."""
    content: dict[str, Any] = yaml.safe_load((state / "lab" / "site.yaml").read_text())
    return content


@contextmanager
def vcenter(state: Path) -> Iterator[Any]:
    """A session of the lab's vCenter: its ServiceContent."""
    wanted = site_file(state)["vcenter"]
    instance = SmartConnect(
        host=wanted["host"],
        user=wanted["username"],
        pwd=Path(wanted["password_file"]).read_text().strip(),
        sslContext=ssl.create_default_context(cafile=wanted["ca_file"]),
    )
    try:
        yield instance.content
    finally:
        Disconnect(instance)


def machines(content: Any) -> dict[str, Any]:
    """VMs by name; two of one name fail the test. Templates are left out."""
    view = content.viewManager.CreateContainerView(content.rootFolder, [vim.VirtualMachine], True)
    found = [vm for vm in view.view if not vm.config.template]
    view.Destroy()
    names = [vm.name for vm in found]
    assert len(names) == len(set(names)), names
    return dict(zip(names, found, strict=True))


def destroy(content: Any, name: str) -> None:
    """Power off and delete a VM, as an accident would."""
    vm = machines(content)[name]
    if vm.runtime.powerState == "poweredOn":
        WaitForTask(vm.PowerOffVM_Task())
    WaitForTask(vm.Destroy_Task())


def control(state: Path, method: str, path: str, body: Any = None) -> Any:
    """Ask the lab itself (not the vCenter) through its control socket."""
    connection = http.client.HTTPConnection("localhost", timeout=10)
    connection.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    connection.sock.connect(str(state / "lab" / "vcenter" / "control.sock"))
    with closing(connection):
        connection.request(method, path, json.dumps(body) if body is not None else None)
        response = connection.getresponse()
        answer = response.read()
    assert response.status == 200, answer
    return json.loads(answer)
