"""The whole lab by its command line: vCenter, fabric, guests; crashes; and a purge that leaves nothing."""

from __future__ import annotations

import json
import os
import signal
import ssl
import subprocess
import sys
import time
from pathlib import Path

import pytest
from guest_bench import Bench, until
from pyVim.connect import Disconnect, SmartConnect
from pyVim.task import WaitForTask
from pyVmomi import vim

from viaduct_lab.fabric import netns
from viaduct_lab.guests import cgroups
from viaduct_lab.host import processes
from viaduct_lab.lab import record, registry
from viaduct_lab.lab.record import LabPaths

pytestmark = pytest.mark.lab


class Lab:
    """A lab as a user has it."""

    def __init__(self, root: Path) -> None:
        self.paths = LabPaths(root)

    def __call__(self, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        argv = [sys.executable, "-m", "viaduct_lab", "--state", str(self.paths.root), *arguments]
        done = subprocess.run(argv, capture_output=True, text=True, timeout=180)
        assert not check or done.returncode == 0, done.stdout + done.stderr
        return done

    @property
    def status(self) -> dict:
        return json.loads(self("status", "--json").stdout)

    @property
    def record(self) -> record.LabRecord:
        found = record.load(self.paths)
        assert found is not None
        return found

    def connect(self):
        vcenter = self.status["vcenter"]
        context = ssl.create_default_context(cafile=vcenter["ca_file"])
        host = vcenter["url"].removeprefix("https://")
        return SmartConnect(host=host, user=vcenter["user"], pwd=vcenter["password"], sslContext=context)

    def traces(self) -> list[str]:
        """What this lab has on the machine outside its folder."""
        lab = self.record
        group = f"viaduct-{lab.id}"
        found = [name for name in netns.names("viaduct-") if name == group]
        found += [name for name in lab.interfaces if Path(f"/sys/class/net/{name}").exists()]
        for mount in cgroups.machine_layout().mounts.values():
            found += [str(p) for p in mount.glob(f"**/{group}*")]
        found += [
            line for line in Path("/proc/mounts").read_text().splitlines() if str(self.paths.root) in line
        ]
        for process in Path("/proc").glob("[0-9]*"):
            try:
                command = (process / "cmdline").read_bytes().decode(errors="replace")
            except OSError:
                continue
            if str(self.paths.root) in command:
                found.append(f"{process.name}: {command}")
        return found


@pytest.fixture(scope="module")
def lab(machine, image):
    lab = Lab(machine / f"whole-{os.getpid()}")
    lab("start", "--image", str(image))
    yield lab
    lab("purge")
    assert not lab.paths.root.exists()


@pytest.fixture
def vcenter(lab):
    connection = lab.connect()
    yield connection
    Disconnect(connection)


def find(connection, kind, name):
    content = connection.RetrieveContent()
    view = content.viewManager.CreateContainerView(content.rootFolder, [kind], True)
    try:
        return next((entity for entity in view.view if entity.name == name), None)
    finally:
        view.Destroy()


@pytest.fixture(scope="module")
def node(lab, key, ssh, image, tmp_path_factory):
    """A node cloned from the appliance's template and switched on: (VM's name, management address)."""
    connection = lab.connect()
    try:
        identifier = json.loads((image / "manifest.json").read_text())["id"]
        template = find(connection, vim.VirtualMachine, f"viaduct-appliance-{identifier}")
        assert template is not None
        assert template.config.template
        bench = Bench(
            tmp_path_factory.mktemp("unused"), "none",
            lab.record.management_network, lab.record.external_network, (),
            key.with_suffix(".pub").read_text().strip(),
        )  # fmt: skip
        clone(connection, template, bench)
        ssh.wait(bench.address(1))
    finally:
        Disconnect(connection)
    return "node1", bench.address(1)


def clone(connection, template, bench):
    macs = ["00:50:56:aa:00:01", "00:50:56:aa:01:01"]
    groups = [
        find(connection, vim.dvs.DistributedVirtualPortgroup, name) for name in ("management", "external")
    ]
    guestinfo = bench.cloud_init(1, macs)
    pool = find(connection, vim.ClusterComputeResource, "management").resourcePool
    devices = [
        vim.vm.device.VirtualDeviceSpec(operation="remove", device=device)
        for device in template.config.hardware.device
        if isinstance(device, vim.vm.device.VirtualEthernetCard)
    ]
    for number, (mac, group) in enumerate(zip(macs, groups, strict=True)):
        port = vim.dvs.PortConnection(
            portgroupKey=group.key, switchUuid=group.config.distributedVirtualSwitch.uuid
        )
        card = vim.vm.device.VirtualVmxnet3(
            key=-100 - number,
            macAddress=mac,
            addressType="manual",
            backing=vim.vm.device.VirtualEthernetCard.DistributedVirtualPortBackingInfo(port=port),
            connectable=vim.vm.device.VirtualDevice.ConnectInfo(
                startConnected=True, connected=True, allowGuestControl=True
            ),
        )
        devices.append(vim.vm.device.VirtualDeviceSpec(operation="add", device=card))
    config = vim.vm.ConfigSpec(
        numCPUs=2,
        memoryMB=1024,
        deviceChange=devices,
        extraConfig=[vim.option.OptionValue(key=f"guestinfo.{k}", value=v) for k, v in guestinfo.items()],
    )
    relocate = vim.vm.RelocateSpec(pool=pool, datastore=find(connection, vim.Datastore, "management-ds"))
    spec = vim.vm.CloneSpec(location=relocate, config=config, powerOn=True, template=False)
    folder = find(connection, vim.Datacenter, "Datacenter").vmFolder
    WaitForTask(template.CloneVM_Task(folder=folder, name="node1", spec=spec))


def power(lab, name):
    connection = lab.connect()
    try:
        return find(connection, vim.VirtualMachine, name).runtime.powerState
    finally:
        Disconnect(connection)


def test_start_again_is_quick_and_changes_nothing(lab, image):
    before = lab.status["vcenter"]["pid"]
    began = time.monotonic()
    done = lab("start", "--image", str(image))
    print(f"start of a running lab: {time.monotonic() - began:.2f} s")
    assert "runs already" in done.stdout
    assert lab.status["vcenter"]["pid"] == before


def test_files_are_private(lab):
    assert lab.paths.root.stat().st_mode & 0o777 == 0o700
    for path in (
        lab.paths.password,
        lab.paths.pki.ca_key,
        lab.paths.pki.private_key,
        lab.paths.vcenter_config,
        lab.paths.log,
    ):
        assert path.stat().st_mode & 0o077 == 0


def test_a_clone_of_the_template_runs(lab, node, vcenter, ssh):
    name, address = node
    machine = find(vcenter, vim.VirtualMachine, name)
    assert ssh(address, "hostname") == "node1"
    until(lambda: machine.guest.ipAddress == address, 15)
    assert machine.guest.toolsRunningStatus == "guestToolsRunning"
    assert machine.guest.hostName == "node1"
    ssh(address, "vmware-rpctool 'info-set guestinfo.viaduct.hello from inside'")

    def told():
        return {o.key: o.value for o in machine.config.extraConfig}.get(
            "guestinfo.viaduct.hello"
        ) == "from inside"

    until(told, 10)
    assert [g["name"] for g in lab.status["guests"]] == ["node1"]


def test_suspend_and_power_on(lab, node, vcenter, ssh):
    machine = find(vcenter, vim.VirtualMachine, node[0])
    WaitForTask(machine.SuspendVM_Task())
    assert machine.runtime.powerState == "suspended"
    WaitForTask(machine.PowerOnVM_Task())
    assert machine.runtime.powerState == "poweredOn"
    ssh.wait(node[1], 15)


def test_reboot_by_the_guests_tools(lab, node, vcenter, ssh):
    machine = find(vcenter, vim.VirtualMachine, node[0])
    before = ssh(node[1], "systemctl show --property UserspaceTimestampMonotonic; cat /proc/1/stat")
    until(lambda: machine.guest.toolsRunningStatus == "guestToolsRunning")
    machine.RebootGuest()
    time.sleep(1)
    ssh.wait(node[1], 40)
    until(
        lambda: (
            ssh(node[1], "systemctl show --property UserspaceTimestampMonotonic; cat /proc/1/stat") != before
        ),
        20,
    )


def host_key(machine):
    """What the guest's first unit publishes at each boot, as vCenter shows it."""
    return {o.key: o.value for o in machine.config.extraConfig}.get("guestinfo.viaduct.hostkey")


def test_power_off_inside_and_on_again(lab, node, vcenter, ssh):
    """vSphere forgets what a guest has published; the next boot publishes it again."""
    machine = find(vcenter, vim.VirtualMachine, node[0])
    before = host_key(machine)
    assert before is not None
    assert before.startswith("ssh-ed25519 ")
    with pytest.raises(subprocess.CalledProcessError):
        ssh(node[1], "systemctl poweroff; sleep 20")
    until(lambda: machine.runtime.powerState == "poweredOff", 20)
    assert host_key(machine) is None
    WaitForTask(machine.PowerOnVM_Task())
    ssh.wait(node[1], 40)
    until(lambda: host_key(machine) == before)


def test_the_vcenter_dies_and_the_guest_lives(lab, node, ssh):
    pid = lab.status["vcenter"]["pid"]
    boot = (lab.paths.guests / lab.status["guests"][0]["id"] / "boot.json").read_text()
    os.kill(pid, signal.SIGKILL)
    processes.wait_released(lab.paths.vcenter_lock, 5)
    assert lab.status["running"] is False
    assert ssh(node[1], "echo alive") == "alive"
    lab("start")
    assert lab.status["running"] is True
    assert power(lab, node[0]) == "poweredOn"
    assert (lab.paths.guests / lab.status["guests"][0]["id"] / "boot.json").read_text() == boot


def test_a_launcher_dies_and_vcenter_notices(lab, node, vcenter, ssh):
    machine = find(vcenter, vim.VirtualMachine, node[0])
    processes.send(lab.paths.guests / machine._moId / "lock", signal.SIGKILL)
    until(lambda: machine.runtime.powerState == "poweredOff", 10)
    WaitForTask(machine.PowerOnVM_Task())
    ssh.wait(node[1], 40)


def test_stop_and_start_bring_the_guest_back(lab, node, ssh):
    lab("stop")
    assert lab.status["running"] is False
    assert lab.traces() == []
    done = lab("start")
    assert "switching on again" in done.stdout
    assert power(lab, node[0]) == "poweredOn"
    ssh.wait(node[1], 40)


def test_a_power_failure_of_the_machine(lab, node, ssh):
    """Everything dies at once, and what lives in /run is gone: the next start mends and restarts."""
    guest = lab.status["guests"][0]["id"]
    for lock in (
        lab.paths.vcenter_lock, lab.paths.guests / guest / "lock",
        lab.paths.fabric / "vswitchd.lock", lab.paths.fabric / "ovsdb.lock",
    ):  # fmt: skip
        processes.send(lock, signal.SIGKILL)
        processes.wait_released(lock, 5)
    subprocess.run(["ip", "netns", "delete", f"viaduct-{lab.record.id}"], check=True)
    done = lab("start")
    assert "switching on again" in done.stdout
    assert power(lab, node[0]) == "poweredOn"
    ssh.wait(node[1], 40)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
@pytest.mark.parametrize("first", ["vcenter", "guest"])
def test_every_process_is_ended(lab, node, ssh, number, first):
    """By the machine's init, or one by one in whatever order: the guest was on, and must be on again."""
    guest = lab.status["guests"][0]["id"]
    locks = [lab.paths.vcenter_lock, lab.paths.guests / guest / "lock"]
    locks += [lab.paths.fabric / name for name in ("vswitchd.lock", "ovsdb.lock")]
    if first == "guest":
        locks[:2] = reversed(locks[:2])
    for lock in locks:
        processes.send(lock, number)
        assert processes.wait_released(lock, 20)
        if first == "guest" and lock.parent.name == guest:
            until(lambda: power(lab, node[0]) == "poweredOff", 5)
    assert "switching on again" in lab("start").stdout
    assert power(lab, node[0]) == "poweredOn"
    ssh.wait(node[1], 40)


def test_a_start_that_is_killed_is_completed_by_the_next(lab, node, ssh):
    lab("stop")
    for seconds in (0.4, 0.8, 1.5, 2.5):
        argv = [sys.executable, "-m", "viaduct_lab", "--state", str(lab.paths.root), "start"]
        start = subprocess.Popen(argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(seconds)
        start.kill()
        start.wait()
    lab("start")
    assert lab.status["running"]
    ssh.wait(node[1], 40)


def test_a_range_that_was_taken_meanwhile(lab, node, ssh):
    lab("stop")
    address = f"{lab.record.management_network.network_address + 77}/24"
    subprocess.run(["ip", "link", "add", "vdtaken0", "type", "veth", "peer", "name", "vdtaken1"], check=True)
    try:
        for command in (["addr", "add", address, "dev", "vdtaken0"], ["link", "set", "vdtaken0", "up"]):
            subprocess.run(["ip", *command], check=True)
        done = lab("start", check=False)
        assert done.returncode == 1
        assert done.stderr.startswith("error LAB-006: ")
        assert lab.traces() == []
    finally:
        subprocess.run(["ip", "link", "delete", "vdtaken0"], check=True)
    lab("start")
    ssh.wait(node[1], 40)


def test_two_labs_at_once(lab, node, machine, image, ssh):
    other = Lab(machine / f"second-{os.getpid()}")
    try:
        other("start", "--image", str(image))
        assert other.record.management != lab.record.management
        assert other.status["running"]
        assert lab.status["running"]
        Disconnect(other.connect())
        before = other.record
        other("reset")
        assert other.record == before
        assert other.status["running"]
        other("stop")
        assert other.traces() == []
    finally:
        other("purge")
    assert not other.paths.root.exists()
    assert ssh(node[1], "echo alive") == "alive"


def test_purge_leaves_nothing(machine, image):
    """With a guest's worth of fabric and vCenter running."""
    lab = Lab(machine / f"purged-{os.getpid()}")
    lab("start", "--image", str(image))
    assert lab.traces() != []
    found = lab.record
    assert (registry.DIRECTORY / found.id).readlink() == lab.paths.root
    lab("purge")
    assert not lab.paths.root.exists()
    assert not (registry.DIRECTORY / found.id).is_symlink()
    lab.paths.root.mkdir()
    record.save(lab.paths, found)
    assert lab.traces() == []
    lab("purge")
