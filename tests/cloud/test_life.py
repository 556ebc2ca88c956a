"""A cloud from nothing to nothing, as a user lives through it. The order of these tests is the story."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from pathlib import Path

import pytest

from cloud import traces
from cloud.commands import HOME, Viaduct
from cloud.site import control, destroy, machines, site_file, vcenter

pytestmark = [pytest.mark.cloud, pytest.mark.timeout(1800)]

NODE = "viaduct-node1"


def test_up_verifies_and_prints_where_everything_is(deployed: Viaduct) -> None:
    text = deployed.succeed("up", timeout=120)
    site = site_file(deployed.state)
    for word in ("nothing to do", site["vcenter"]["host"], "clouds.yaml", ":5000/v3", "./viaduct openstack"):
        assert word in text
    assert deployed.succeed("plan").count("nothing to do") == 1


def test_status_knows_every_service(deployed: Viaduct) -> None:
    status = json.loads(deployed.succeed("status", "--json"))
    assert status["health"] == "ok"
    assert status["verified"] is True
    up = {name.split("@")[0] for name, running in status["services"].items() if running}
    assert up == {"nova-compute", "nova-conductor", "nova-scheduler", "cinder-volume", "cinder-scheduler"}


def test_upstream_client_works(deployed: Viaduct) -> None:
    catalog = json.loads(deployed.succeed("openstack", "catalog", "list", "-f", "json"))
    assert {"keystone", "nova", "neutron", "glance", "cinder", "placement"} <= {s["Name"] for s in catalog}
    assert deployed.run("openstack", "server", "show", "no-such-server").status != 0


def test_exports_serve_a_shell_of_its_own(deployed: Viaduct) -> None:
    exports = deployed.succeed("env")
    client = next(deployed.state.glob("venv/manager-*/bin/openstack"))
    done = subprocess.run(
        ["bash", "-c", f'eval "$1"; {client} token issue -f value -c id', "shell", exports],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert len(done.stdout) > 50


def test_node_login(deployed: Viaduct) -> None:
    assert deployed.succeed("node", "ssh", "node1", "--", "hostname").strip().endswith("node1")


def test_secrets_stay_where_they_serve(deployed: Viaduct) -> None:
    """No secret of the cloud in the logs, nor in any process's arguments on the machine (guests included)."""
    folder = deployed.state / "clouds" / "viaduct"
    secrets = {
        value
        for path in folder.rglob("*")
        if path.is_file() and "secret" in path.name
        for value in _leaves(json.loads(path.read_text()))
        if len(value) >= 16
    }
    assert len(secrets) >= 10
    for path in folder.rglob("*"):
        assert path.stat().st_mode & 0o077 == 0 or path.suffix == ".pem" or path.is_dir(), path
    logs = "".join(p.read_text(errors="replace") for p in (deployed.state / "log").rglob("*") if p.is_file())
    commands = ""
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            commands += entry.read_bytes().decode(errors="replace")
        except OSError:
            continue
    journal = deployed.succeed("node", "ssh", "node1", "--", "journalctl --no-pager --boot", timeout=60)
    for secret in secrets:
        assert secret not in logs
        assert secret not in commands
        assert secret not in journal


def _leaves(value: object) -> list[str]:
    if isinstance(value, dict):
        return [leaf for part in value.values() for leaf in _leaves(part)]
    return [value] if isinstance(value, str) else []


def test_repair_command_finds_port_groups_in_order(deployed: Viaduct) -> None:
    command = (
        "runuser -u neutron -- /opt/openstack/bin/viaduct-dvs-repair --dry-run "
        "--config-file /etc/neutron/neutron.conf --config-file /etc/neutron/ml2_conf.ini"
    )
    deployed.succeed("node", "ssh", "node1", "--", command, timeout=90)


def test_kill_at_every_step_is_completed_by_running_again(deployed: Viaduct) -> None:
    """The node is lost; its re-creation is killed again and again, each time a step later."""
    with vcenter(deployed.state) as content:
        destroy(content, NODE)
    for title in (
        "Clone node1",
        "Give node1 its identity",
        "Power on node1",
        "Wait for node1",
        "Configure node1",
        "make database accounts",
        "Register services",
    ):
        seen = deployed.kill_at(title, "-v", "up")
        assert title in seen, seen
    text = deployed.succeed("up", timeout=600)
    assert "is deployed" in text
    with vcenter(deployed.state) as content:
        assert list(machines(content)) == [NODE]
    assert "nothing to do" in deployed.succeed("up", timeout=120)


def test_vcenter_trouble_in_mid_deploy_is_retried(deployed: Viaduct) -> None:
    """A clone fails once, and every session is dropped while the plan is carried out."""
    with vcenter(deployed.state) as content:
        destroy(content, NODE)
    fault = {"method": "CloneVM_Task", "times": 1, "fault": "GenericVmConfigFault", "in_task": True}
    fault["message"] = "a disk hiccup"
    control(deployed.state, "POST", "/faults", fault)
    deployed.kill_at("Give node1 its identity", "-v", "up")
    control(deployed.state, "POST", "/sessions/drop")
    assert "is deployed" in deployed.succeed("up", "--no-verify", timeout=600)
    with vcenter(deployed.state) as content:
        assert list(machines(content)) == [NODE]


def test_machine_crash_is_survived(deployed: Viaduct) -> None:
    """As after a power failure: nothing of the lab runs any more, only the disk is left."""
    for line in traces.processes(deployed.state):
        try:
            os.kill(int(line.split()[0]), signal.SIGKILL)
        except ProcessLookupError:
            continue
    text = deployed.succeed("up", timeout=600)
    assert "https://" in text
    with vcenter(deployed.state) as content:
        assert machines(content)[NODE].runtime.powerState == "poweredOn"
    assert deployed.succeed("openstack", "service", "list", "-f", "value").count("\n") >= 6


def test_two_labs_live_side_by_side(deployed: Viaduct, state_root: Path) -> None:
    other = Viaduct(state_root / "other")
    image = (deployed.state / "images" / "current").resolve()
    command = [
        str(next(deployed.state.glob("venv/manager-*/bin/python"))),
        "-m",
        "viaduct_lab",
        "--state",
        str(other.state / "lab"),
    ]
    environment = {**os.environ, "PYTHONPATH": str(HOME / "lab")}
    subprocess.run([*command, "start", "--image", str(image)], check=True, timeout=60, env=environment)
    try:
        mine, theirs = site_file(deployed.state), site_file(other.state)
        assert mine["vcenter"]["host"] != theirs["vcenter"]["host"]
        assert mine["networks"]["management"]["cidr"] != theirs["networks"]["management"]["cidr"]
        with vcenter(deployed.state) as content, vcenter(other.state) as empty:
            assert list(machines(content)) == [NODE]
            assert not machines(empty)
    finally:
        subprocess.run([*command, "purge"], check=True, timeout=60, env=environment)
    assert not traces.processes(other.state)


def test_down_stops_everything_and_up_brings_it_back(deployed: Viaduct) -> None:
    deployed.succeed("down", timeout=180)
    assert not traces.processes(deployed.state)
    assert not traces.mounts(deployed.state)
    deployed.succeed("up", timeout=600)
    assert "nothing to do" in deployed.succeed("up", timeout=120)


def test_purge_leaves_nothing(deployed: Viaduct) -> None:
    lab_id = json.loads((deployed.state / "lab" / "lab.json").read_text())["id"]
    deployed.succeed("down", "--purge", "--yes", "--keep-images", timeout=240)
    assert not traces.processes(deployed.state)
    assert not traces.mounts(deployed.state)
    assert not [name for name in traces.namespaces() if lab_id in name]
    assert not [name for name in traces.cgroups() if lab_id in name]
    assert not [name for name in traces.interfaces() if lab_id in name]
    left = {path.name for path in deployed.state.iterdir()} if deployed.state.exists() else set()
    assert left <= {"images", "cache", "venv", "log"}, left
