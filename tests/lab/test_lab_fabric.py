"""The real fabric: repeated, broken, removed."""

from __future__ import annotations

import signal
import subprocess
from pathlib import Path

import pytest

from viaduct_lab.fabric import Attachment, Fabric, Leg, netns
from viaduct_lab.fabric.ports import MTU
from viaduct_lab.host import processes
from viaduct_lab.lab import allocation

pytestmark = pytest.mark.lab


@pytest.fixture
def lab_id():
    return allocation.new_id(())


@pytest.fixture
def plan(lab_id):
    management, external = allocation.networks(lab_id, allocation.machine_routes(()))
    return (
        (f"{allocation.gateway(management)}/24", f"{management.network_address + 11}/24"),
        (
            Leg(f"vd{lab_id}m", f"{allocation.own(management)}/24", Attachment("dvs")),
            Leg(f"vd{lab_id}x", f"{allocation.own(external)}/24", Attachment("dvs", 11)),
        ),
    )


@pytest.fixture
def fabric(machine, lab_id, plan, tmp_path):
    fabric = Fabric(lab_id, tmp_path / "fabric")
    yield fabric
    fabric.remove(tuple(leg.interface for leg in plan[1]))
    assert not netns.exists(fabric.namespace)
    assert not any(leg.interface in netns.links(None) for leg in plan[1])


def answers(address):
    """Whether a machine with ``address`` is there (a refused connection is an answer)."""
    script = f"exec 3<>/dev/tcp/{address.split('/')[0]}/9"
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, timeout=10)
    return "refused" in done.stderr


def test_ensure_reaches_the_gateways_and_again_changes_nothing(fabric, plan):
    gateways, legs = plan
    fabric.ensure("dvs", gateways, legs)
    assert all(answers(gateway) for gateway in gateways)
    mine, inside = netns.links(None), netns.links(fabric.namespace)
    assert {mine[leg.interface]["mtu"] for leg in legs} | {inside["gateway"]["mtu"]} == {MTU}
    pids = [processes.holder(fabric._directory / name) for name in ("ovsdb.lock", "vswitchd.lock")]
    links = netns.links(fabric.namespace)
    fabric.ensure("dvs", gateways, legs)
    assert pids == [processes.holder(fabric._directory / name) for name in ("ovsdb.lock", "vswitchd.lock")]
    assert {n: link["ifindex"] for n, link in links.items()} == {
        n: link["ifindex"] for n, link in netns.links(fabric.namespace).items()
    }


def test_ports_have_their_vlan(fabric, plan):
    fabric.ensure("dvs", *plan)
    assert fabric._ovs.vlan(plan[1][0].interface) == (0, "access")
    assert fabric._ovs.vlan(plan[1][1].interface) == (11, "access")


@pytest.mark.parametrize("daemon", ["ovsdb.lock", "vswitchd.lock"])
def test_a_dead_daemon_is_mended(fabric, plan, daemon):
    fabric.ensure("dvs", *plan)
    processes.send(fabric._directory / daemon, signal.SIGKILL)
    processes.wait_released(fabric._directory / daemon, 5)
    assert not fabric.running()
    fabric.ensure("dvs", *plan)
    assert fabric.running()
    assert answers(plan[0][0])


def test_a_lost_leg_is_mended(fabric, plan):
    fabric.ensure("dvs", *plan)
    subprocess.run(["ip", "link", "delete", plan[1][0].interface], check=True)
    fabric.ensure("dvs", *plan)
    assert answers(plan[0][0])


def test_what_a_reboot_leaves(fabric, plan):
    """Stale files of daemons, and a name without a namespace behind it."""
    directory = fabric._directory
    directory.mkdir()
    for name in ("ovsdb.lock", "vswitchd.lock", "db.sock", "vswitchd.ctl"):
        (directory / name).write_text("1\n")
    Path("/run/netns").mkdir(exist_ok=True)
    (netns.path(fabric.namespace)).touch()
    fabric.ensure("dvs", *plan)
    assert answers(plan[0][0])


def test_unplug_of_nothing(fabric, plan):
    fabric.unplug("vm-1", (0, 1))
    fabric.ensure("dvs", *plan)
    fabric.unplug("vm-1", (0, 1))


def test_two_at_once(fabric, plan, machine, tmp_path):
    other_id = allocation.new_id(())
    fabric.ensure("dvs", *plan)
    management, _ = allocation.networks(other_id, allocation.machine_routes(()))
    leg = Leg(f"vd{other_id}m", f"{allocation.own(management)}/24", Attachment("dvs"))
    other = Fabric(other_id, tmp_path / "other")
    try:
        other.ensure("dvs", (f"{allocation.gateway(management)}/24",), (leg,))
        assert answers(str(allocation.gateway(management)))
        assert answers(plan[0][0])
    finally:
        other.remove((leg.interface,))
    assert answers(plan[0][0])
