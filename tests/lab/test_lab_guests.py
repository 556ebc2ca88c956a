"""Real guests: the life of one, from power-on to every way of ending."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from dataclasses import replace
from pathlib import Path

import pytest
from guest_bench import until

from viaduct_lab.fabric.ports import MTU
from viaduct_lab.guests import cgroups
from viaduct_lab.guests.directory import GuestDirectory
from viaduct_lab.guests.runtime import GuestError, GuestNic
from viaduct_lab.host import processes
from viaduct_lab.lab import lost
from viaduct_lab.lab.record import LabPaths

pytestmark = pytest.mark.lab


@pytest.fixture(scope="module")
def guest(bench, ssh):
    """Guest 1, up; tests leave it so."""
    bench.runtime.start(bench.spec(1))
    ssh.wait(bench.address(1))
    return "vm-1"


@pytest.fixture
def seen(bench):
    """VM ids that the watcher told."""
    told: list[str] = []
    bench.runtime.watch(told.append)
    return told


def folder(bench, vm_id):
    return GuestDirectory(bench.root / "guests" / vm_id)


def leftovers(bench, vm_id):
    """What of a guest still exists on this machine."""
    found = [
        line
        for line in subprocess.run(
            ["ip", "-n", bench.fabric.namespace, "-o", "link"], capture_output=True, text=True, check=True
        ).stdout.splitlines()
        if f"{vm_id}." in line
    ]
    found += list(cgroups.leftovers(cgroups.machine_layout(), f"viaduct-{bench.lab_id}").get(vm_id, ()))
    found += [
        line
        for line in Path("/proc/mounts").read_text().splitlines()
        if str(bench.root / "guests" / vm_id) in line
    ]
    return found


def boot_id(ssh, address):
    return ssh(address, "cat /proc/sys/kernel/random/boot_id; journalctl --list-boots --no-pager -q | wc -l")


# One running guest


def test_identity_and_network_come_from_guestinfo(bench, guest, ssh):
    status = bench.runtime.status(guest)
    assert status.state == "running"
    assert status.hostname == "node1"
    assert f"{bench.address(1)}/24" in status.addresses["00:50:56:aa:00:01"]
    assert f"{bench.external_address(1)}/24" in status.addresses["00:50:56:aa:01:01"]
    assert ssh(bench.external_address(1), "hostname") == "node1"
    assert ssh(bench.address(1), "cat /etc/machine-id") == bench.spec(1).bios_uuid.replace("-", "")
    assert "VMware" in ssh(bench.address(1), "cloud-init status --long --wait || true")


def test_it_boots_without_a_failed_unit(bench, guest, ssh):
    until(lambda: ssh(bench.address(1), "systemctl is-system-running --wait || true") == "running", 60)
    assert ssh(bench.address(1), "systemctl --failed --no-legend") == ""


def test_tools_run_as_long_as_their_service_does(bench, guest, ssh):
    until(lambda: bench.runtime.status(guest).tools_running)
    ssh(bench.address(1), "systemctl stop open-vm-tools")
    until(lambda: not bench.runtime.status(guest).tools_running)
    ssh(bench.address(1), "systemctl start open-vm-tools")
    until(lambda: bench.runtime.status(guest).tools_running)


def test_guestinfo_both_ways(bench, guest, ssh, seen):
    assert ssh(bench.address(1), "vmware-rpctool 'info-get guestinfo.hello'") == "world one"
    ssh(bench.address(1), "vmware-rpctool 'info-set guestinfo.viaduct.test ssh-ed25519 AAAA x'")
    assert bench.runtime.status(guest).guestinfo["viaduct.test"] == "ssh-ed25519 AAAA x"
    until(lambda: guest in seen)
    bench.runtime.set_guestinfo(guest, {**bench.spec(1).guestinfo, "hello": "news"}, {"hello"})
    assert ssh(bench.address(1), "vmware-rpctool info-get guestinfo.hello") == "news"
    assert (
        ssh(bench.address(1), "vmware-rpctool info-get guestinfo.none 2>&1 || echo =$?") == "No value found=1"
    )


def test_memory_is_capped(bench, guest, ssh):
    script = "python3 -c 'x = bytearray(900 << 20); print(len(x))'"
    with pytest.raises(subprocess.CalledProcessError):
        ssh(bench.address(1), script)
    assert ssh(bench.address(1), "echo alive") == "alive"


def test_large_transfers_pass_the_switch(bench, guest, ssh):
    """Checksums left to hardware would hang any TCP stream through the userspace datapath."""
    assert ssh(bench.address(1), "cat /sys/class/net/management/mtu") == str(MTU)
    assert ssh(bench.address(1), "head -c 30000000 /dev/zero | base64 -w0 | wc -c", timeout=60) == "40000000"
    assert len(ssh(bench.address(1), "head -c 3000000 /dev/zero | base64 -w0", timeout=60)) == 4000000


def test_start_again_is_nothing(bench, guest):
    pid = processes.holder(folder(bench, guest).lock)
    bench.runtime.start(bench.spec(1))
    assert processes.holder(folder(bench, guest).lock) == pid


def test_suspend_and_resume(bench, guest, ssh, seen):
    bench.runtime.suspend(guest)
    assert bench.runtime.status(guest).state == "suspended"
    assert not bench.runtime.status(guest).tools_running
    until(lambda: guest in seen)
    with pytest.raises((subprocess.CalledProcessError, subprocess.TimeoutExpired)):
        ssh(bench.address(1), "true", timeout=4)
    bench.runtime.resume(guest)
    assert bench.runtime.status(guest).state == "running"
    ssh.wait(bench.address(1), 15)


def test_disconnect_and_connect_an_adapter(bench, guest, ssh):
    nics = bench.spec(1).nics
    bench.runtime.connect(guest, (nics[0], replace(nics[1], connected=False)))
    assert ssh(bench.address(1), "cat /sys/class/net/external/carrier") == "0"
    bench.runtime.connect(guest, nics)
    assert ssh(bench.address(1), "cat /sys/class/net/external/carrier") == "1"
    ssh.wait(bench.external_address(1), 10)


def test_move_an_adapter_to_another_vlan(bench, guest, ssh):
    nics = bench.spec(1).nics
    bench.runtime.connect(guest, (nics[0], replace(nics[1], vlan=EXTRA_VLAN)))
    with pytest.raises((subprocess.CalledProcessError, subprocess.TimeoutExpired)):
        ssh(bench.external_address(1), "true", timeout=4)
    bench.runtime.connect(guest, nics)
    ssh.wait(bench.external_address(1), 10)


EXTRA_VLAN = 12


def test_add_and_remove_an_adapter(bench, guest, ssh):
    nics = bench.spec(1).nics
    third = GuestNic(2, "00:50:56:aa:02:01", "dvs", EXTRA_VLAN, trunk=False, connected=True)
    bench.runtime.connect(guest, (*nics, third))
    assert ssh(bench.address(1), "cat /sys/class/net/eth2/address") == third.mac
    bench.runtime.connect(guest, nics)
    assert ssh(bench.address(1), "test -e /sys/class/net/eth2 || echo gone") == "gone"


def test_a_new_vcenter_adopts_it(bench, guest, ssh):
    other = bench.new_runtime()
    try:
        assert other.adopt() == (guest,)
        assert other.status(guest).hostname == "node1"
    finally:
        other.close()
    assert ssh(bench.address(1), "echo alive") == "alive"


def test_reboot_from_inside(bench, guest, ssh, seen):
    pid = processes.holder(folder(bench, guest).lock)
    first = folder(bench, guest).boot()
    subprocess.run(["true"], check=True)
    with pytest.raises(subprocess.CalledProcessError):
        ssh(bench.address(1), "systemctl reboot; sleep 20")
    until(lambda: (boot := folder(bench, guest).boot()) and boot.number == first.number + 1, 30)
    ssh.wait(bench.address(1), 30)
    assert processes.holder(folder(bench, guest).lock) == pid
    assert guest in seen
    assert ssh(bench.external_address(1), "hostname") == "node1"
    assert bench.spec(1).console.read_text().count("=== vm1: boot ") == folder(bench, guest).boot().number


def test_reset(bench, guest, ssh):
    number = folder(bench, guest).boot().number
    bench.runtime.reset(guest)
    until(lambda: (boot := folder(bench, guest).boot()) and boot.number == number + 1, 30)
    ssh.wait(bench.address(1), 30)


def test_reset_of_a_suspended_guest(bench, guest, ssh):
    bench.runtime.suspend(guest)
    bench.runtime.reset(guest)
    until(lambda: bench.runtime.status(guest).state == "running" and folder(bench, guest).boot(), 30)
    ssh.wait(bench.address(1), 30)


# Ways to end. Each begins with a guest that boots.


@pytest.fixture
def other(bench, ssh, request):
    """Guest 2, up."""
    bench.runtime.start(bench.spec(2))
    ssh.wait(bench.address(2))
    yield "vm-2"
    bench.runtime.stop("vm-2")


def is_off(bench, vm_id):
    return bench.runtime.status(vm_id).state == "off"


def test_power_off_from_inside(bench, other, ssh, seen):
    subprocess.run(["true"], check=True)
    with pytest.raises(subprocess.CalledProcessError):
        ssh(bench.address(2), "systemctl poweroff; sleep 20")
    until(lambda: is_off(bench, other), 30)
    assert folder(bench, other).exit().reason == "power-off"
    until(lambda: other in seen)
    assert leftovers(bench, other) == []


def test_what_the_guest_has_set_ends_with_its_power(bench, other, ssh):
    ssh(bench.address(2), "vmware-rpctool 'info-set guestinfo.test x'")
    assert bench.runtime.status(other).guestinfo["test"] == "x"
    bench.runtime.reset(other)
    assert bench.runtime.status(other).guestinfo["test"] == "x"
    bench.runtime.stop(other)
    assert bench.runtime.status(other).guestinfo == {}
    bench.runtime.start(bench.spec(2))
    assert "test" not in bench.runtime.status(other).guestinfo


def test_shutdown(bench, other):
    bench.runtime.shutdown(other)
    until(lambda: is_off(bench, other), 30)
    assert folder(bench, other).exit().reason == "power-off"
    assert leftovers(bench, other) == []


@pytest.mark.parametrize("suspended", [False, True])
def test_stop(bench, other, suspended):
    if suspended:
        bench.runtime.suspend(other)
    began = time.monotonic()
    bench.runtime.stop(other)
    assert time.monotonic() - began < 5
    assert is_off(bench, other)
    assert folder(bench, other).exit().reason == "stopped"
    assert leftovers(bench, other) == []
    bench.runtime.stop(other)


def test_its_launcher_is_killed(bench, other, seen):
    boot = folder(bench, other).boot()
    processes.send(folder(bench, other).lock, signal.SIGKILL)
    until(lambda: other in seen, 3)
    until(lambda: is_off(bench, other))
    # For a moment it may be that the whole lab is dying: then the guest is to be on again.
    assert lost.find(LabPaths(bench.root)) == (other,)
    until(lambda: (ended := folder(bench, other).exit()) and ended.reason == "died")
    assert lost.find(LabPaths(bench.root)) == ()
    until(lambda: not Path(f"/proc/{boot.init}").exists())
    until(lambda: leftovers(bench, other) == [])


def test_its_container_is_killed(bench, other):
    os.kill(folder(bench, other).boot().supervisor, signal.SIGKILL)
    until(lambda: is_off(bench, other))
    assert folder(bench, other).exit().reason == "failed"
    assert leftovers(bench, other) == []


@pytest.mark.parametrize("watched", [False, True])
def test_its_launcher_is_ended_by_the_machine(bench, other, seen, watched):
    """Not asked by us: the guest was not meant to be off, whether or not the vCenter lives a little longer."""
    if not watched:
        bench.runtime.close()
    processes.send(folder(bench, other).lock, signal.SIGTERM)
    assert processes.wait_released(folder(bench, other).lock, 10)
    assert leftovers(bench, other) == []
    if watched:
        until(lambda: other in seen, 3)
        time.sleep(2.5)
        bench.runtime.close()
    assert lost.find(LabPaths(bench.root)) == (other,)
    bench.runtime = bench.new_runtime()
    bench.runtime.adopt()
    assert lost.find(LabPaths(bench.root)) == ()


@pytest.mark.parametrize("running", [False, True])
def test_the_folder_of_a_deleted_vm_goes(bench, other, running):
    if not running:
        bench.runtime.stop(other)
    bench.runtime.adopt()
    assert other in bench.runtime.kept()
    bench.runtime.forget(other)
    bench.runtime.forget(other)
    assert other not in bench.runtime.kept()
    assert not folder(bench, other).path.exists()
    assert leftovers(bench, other) == []


def test_all_died_while_nobody_looked(bench, other):
    """As after a crash of vCenter and launcher: the next vCenter clears what is left."""
    boot = folder(bench, other).boot()
    bench.runtime.close()
    processes.send(folder(bench, other).lock, signal.SIGKILL)
    until(lambda: not Path(f"/proc/{boot.init}").exists())
    bench.runtime = bench.new_runtime()
    assert other not in bench.runtime.adopt()
    assert folder(bench, other).exit().reason == "died"
    assert leftovers(bench, other) == []


# What is refused


def test_unknown_guests(bench):
    assert bench.runtime.status("vm-99").state == "off"
    for action in (bench.runtime.shutdown, bench.runtime.reboot, bench.runtime.reset, bench.runtime.suspend):
        with pytest.raises(GuestError, match="not powered on"):
            action("vm-99")
    bench.runtime.stop("vm-99")
    with pytest.raises(GuestError):
        bench.runtime.status("../vm-1")


def test_a_disk_that_lacks_a_layer(bench):
    with pytest.raises(GuestError, match="is missing"):
        bench.runtime.start(bench.spec(3, layers=(bench.root / "nothing",)))
    assert bench.runtime.status("vm-3").state == "off"


def test_a_disk_without_a_system_says_so_and_leaves_nothing(bench):
    empty = bench.root / "empty"
    empty.mkdir()
    with pytest.raises(GuestError, match=r"container ended at once|did not start"):
        bench.runtime.start(bench.spec(3, layers=(empty,)))
    assert bench.runtime.status("vm-3").state == "off"
    assert leftovers(bench, "vm-3") == []
