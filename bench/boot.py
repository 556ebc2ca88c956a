#!/usr/bin/env python3
"""One cached boot with Nova: seconds, and the SOAP calls that it costs, beside a bare clone through pyVmomi.

Run with the manager's Python against a deployed cloud in the lab:
``<state>/venv/manager-*/bin/python bench/boot.py [--state DIR] [--boots N]``. The peer in the same run is one
CloneVM_Task with powerOn of a VM of the same size: what vCenter itself takes.
"""

from __future__ import annotations

import argparse
import http.client
import json
import socket
import ssl
import statistics
import subprocess
import time
import uuid
from contextlib import closing
from pathlib import Path
from typing import Any

import yaml
from machine import describe
from pyVim.connect import SmartConnect
from pyVim.task import WaitForTask
from pyVmomi import vim

import openstack

MIB = 1 << 20


def calls(state: Path) -> dict[str, int]:
    """SOAP calls by method since the lab's vCenter started."""
    connection = http.client.HTTPConnection("localhost", timeout=10)
    connection.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    connection.sock.connect(str(state / "lab" / "vcenter" / "control.sock"))
    with closing(connection):
        connection.request("GET", "/calls")
        answer: dict[str, Any] = json.loads(connection.getresponse().read())
    return answer.get("calls", answer)


def difference(before: dict[str, int], after: dict[str, int]) -> dict[str, int]:
    return {name: count - before.get(name, 0) for name, count in after.items() if count > before.get(name, 0)}


def image(cloud: Any, folder: Path) -> Any:
    """A small streamOptimized image, uploaded once."""
    found = cloud.image.find_image("bench")
    if found:
        return found
    raw, disk = folder / "bench.raw", folder / "bench.vmdk"
    raw.write_bytes(b"viaduct" * 1000)
    with raw.open("r+b") as file:
        file.truncate(16 * MIB)
    subprocess.run(
        [
            "qemu-img",
            "convert",
            "-q",
            "-f",
            "raw",
            "-O",
            "vmdk",
            "-o",
            "subformat=streamOptimized",
            raw,
            disk,
        ],
        check=True,
    )
    properties = {"vmware_disktype": "streamOptimized", "vmware_adaptertype": "lsiLogic"}
    return cloud.create_image(
        "bench", filename=str(disk), disk_format="vmdk", container_format="bare", wait=True, **properties
    )


def boot(cloud: Any, image_id: str, flavor: str, network: str) -> float:
    """Seconds from the request to ACTIVE; the server is deleted afterwards."""
    started = time.monotonic()
    server = cloud.compute.create_server(
        name=f"bench-{uuid.uuid4().hex[:8]}",
        image_id=image_id,
        flavor_id=flavor,
        networks=[{"uuid": network}],
    )
    server = cloud.compute.wait_for_server(server, interval=0.2, wait=180)
    seconds = time.monotonic() - started
    cloud.compute.delete_server(server)
    cloud.compute.wait_for_delete(server, interval=0.2, wait=120)
    return seconds


def bare_clone(state: Path) -> float:
    """Seconds that vCenter needs to clone and power on a small VM."""
    wanted = yaml.safe_load((state / "lab" / "site.yaml").read_text())
    access = wanted["vcenter"]
    content = SmartConnect(
        host=access["host"],
        user=access["username"],
        pwd=Path(access["password_file"]).read_text().strip(),
        sslContext=ssl.create_default_context(cafile=access["ca_file"]),
    ).content
    datacenter = content.searchIndex.FindByInventoryPath(wanted["datacenter"])
    clusters = {entity.name: entity for entity in datacenter.hostFolder.childEntity}
    cluster = clusters[wanted["compute"][0]["cluster"]]
    files = vim.vm.FileInfo(vmPathName=f"[{wanted['compute'][0]['datastores'][0]}]")
    spec = vim.vm.ConfigSpec(name="bench-source", numCPUs=1, memoryMB=256, guestId="otherGuest", files=files)
    task = datacenter.vmFolder.CreateVM_Task(spec, cluster.resourcePool)
    WaitForTask(task)
    source = task.info.result
    started = time.monotonic()
    clone_spec = vim.vm.CloneSpec(location=vim.vm.RelocateSpec(), powerOn=True, template=False)
    task = source.CloneVM_Task(datacenter.vmFolder, "bench-clone", clone_spec)
    WaitForTask(task)
    seconds = time.monotonic() - started
    WaitForTask(task.info.result.PowerOffVM_Task())
    for machine in (task.info.result, source):
        WaitForTask(machine.Destroy_Task())
    return seconds


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--state", type=Path, default=Path("/var/lib/viaduct"))
    parser.add_argument("--cloud", default="viaduct")
    parser.add_argument("--boots", type=int, default=5)
    options = parser.parse_args()
    state: Path = options.state
    print(describe())
    clouds = yaml.safe_load((state / "clouds" / options.cloud / "clouds.yaml").read_text())["clouds"]
    cloud = openstack.connect(**{**clouds[options.cloud], "app_name": "bench"})
    source = image(cloud, state / "run" if (state / "run").is_dir() else Path("/tmp"))
    flavor = min(cloud.compute.flavors(), key=lambda f: (f.ram, f.disk))
    network = cloud.network.find_network("bench") or cloud.network.create_network(name="bench")
    if not network.subnet_ids:
        cloud.network.create_subnet(network_id=network.id, ip_version=4, cidr="192.0.2.0/24", name="bench")
    try:
        print(f"first boot (image not cached)    {boot(cloud, source.id, flavor.id, network.id):6.2f} s")
        before = calls(state)
        seconds = [boot(cloud, source.id, flavor.id, network.id) for _ in range(options.boots)]
        spent = difference(before, calls(state))
        print(f"cached boot, median of {options.boots}         {statistics.median(seconds):6.2f} s")
        print(f"SOAP calls per boot and delete   {sum(spent.values()) / options.boots:6.1f}")
        for name, count in sorted(spent.items(), key=lambda item: -item[1])[:12]:
            print(f"    {count / options.boots:6.1f}  {name}")
        print(f"peer: bare CloneVM_Task, power on{bare_clone(state):6.2f} s")
    finally:
        cloud.network.delete_network(network)
        cloud.image.delete_image(source)


if __name__ == "__main__":
    main()
