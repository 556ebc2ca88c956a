"""Trouble while a cloud is being deployed: tried again or told, and the same command goes on."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import asyncssh
import pytest
from pyVim.task import WaitForTask
from pyVmomi import vim
from vcenter_site import Center

from faults.conftest import SHORT, SiteFile, Viaduct, contents, log_in_again
from viaduct.cli.progress import Plain
from viaduct.engine.retry import RetryPolicy
from viaduct.model.event import Event, EventKind

pytestmark = pytest.mark.usefixtures("removed")

NODE = "viaduct-node1"
ATTEMPTS = RetryPolicy().attempts


@pytest.fixture
def up(viaduct: Viaduct, site: SiteFile, center: Center) -> Callable[..., Any]:
    """Deploys. No guest runs in this vCenter: at best, the command comes as far as waiting for the node."""
    return lambda *words: viaduct(*words, "up", "--site", str(site.path))


@pytest.fixture
def order(center: Center) -> Callable[..., None]:
    """Orders faults from the vCenter."""

    def post(method: str, fault: str, times: int = 1, **more: object) -> None:
        body = {"method": method, "fault": fault, "times": times, "message": "hiccup", **more}
        center.server.control("POST", "/faults", body)

    return post


@contextmanager
def at_each_event(monkeypatch: pytest.MonkeyPatch, act: Callable[[Event], None]) -> Iterator[None]:
    """Have ``act`` called before each event of a run is shown."""
    show = Plain.take

    def take(self: Plain, event: Event) -> None:
        act(event)
        show(self, event)

    with monkeypatch.context() as patch:
        patch.setattr(Plain, "take", take)
        yield


def waits_for_its_node(told: Any) -> None:
    """The deployment went on as far as it can here."""
    told.refuses("NODE-101", f"The node 'node1' has not published its SSH host key after {SHORT} s")


@pytest.mark.parametrize("in_task", [False, True])
def test_a_clone_that_fails_once_is_tried_again(
    up: Viaduct, center: Center, order: Callable[..., None], in_task: bool
) -> None:
    order("CloneVM_Task", "FileFault", in_task=in_task)
    told = up()
    waits_for_its_node(told)
    assert f"could not clone VM {NODE}: hiccup (FileFault). Trying again in" in told.flat
    assert center.machine_names().count(NODE) == 1


@pytest.mark.parametrize(
    ("fault", "remedy", "tries"),
    [
        ("NoDiskSpace", "Free space on the datastore", 1),
        ("NoPermission", "Give the account in the site file the missing privilege", 1),
        ("InsufficientResourcesFault", "too little free CPU or memory", 1),
        ("FileFault", "datastore browser", ATTEMPTS),
    ],
)
def test_a_clone_that_fails_for_good_leaves_nothing_and_can_be_resumed(
    up: Viaduct, center: Center, order: Callable[..., None], fault: str, remedy: str, tries: int
) -> None:
    before = contents(center)
    order("CloneVM_Task", fault, times=99, in_task=True)
    told = up()
    told.refuses("VCENTER-201", f"vCenter could not clone VM {NODE}: hiccup ({fault})", remedy, "log: ")
    assert told.err.count("Trying again in") == tries - 1
    assert contents(center) == before, "folders and files are taken back"
    center.server.control("DELETE", "/faults")
    waits_for_its_node(up())
    assert center.machine_names().count(NODE) == 1


@pytest.mark.parametrize(
    "method", ["CreateFolder", "ReconfigVM_Task", "CreatePropertyCollector", "CreateFilter"]
)
def test_any_call_may_fail_once(up: Viaduct, center: Center, order: Callable[..., None], method: str) -> None:
    order(method, "HostCommunication")
    told = up()
    waits_for_its_node(told)
    assert told.err.count("Trying again in") == 1
    assert center.machine_names().count(NODE) == 1


def test_a_vm_that_does_not_start_is_kept_and_started_later(
    up: Viaduct, center: Center, order: Callable[..., None]
) -> None:
    order("PowerOnVM_Task", "InsufficientResourcesFault", times=99, in_task=True)
    up().refuses("VCENTER-201", f"could not power on VM {NODE}", "too little free CPU or memory")
    identity = center.machine(NODE)._moId
    center.server.control("DELETE", "/faults")
    told = up()
    waits_for_its_node(told)
    assert "Clone node1" not in told.err
    assert center.machine(NODE)._moId == identity


def test_sessions_that_vcenter_drops_are_renewed(
    up: Viaduct, center: Center, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before and after every step, and while tasks are waited for."""
    dropped: list[int] = []

    def drop(event: Event) -> None:
        dropped.append(center.server.control("POST", "/sessions/drop")["dropped"])

    with at_each_event(monkeypatch, drop):
        told = up()
    waits_for_its_node(told)
    log_in_again(center)
    assert sum(count > 0 for count in dropped) >= 8
    assert "Trying again" not in told.err, "a lost session is no failure of a step"
    assert center.machine_names().count(NODE) == 1


def test_a_vcenter_that_restarts_is_waited_for(
    up: Viaduct, center: Center, monkeypatch: pytest.MonkeyPatch
) -> None:
    def restart(event: Event) -> None:
        if event.kind is EventKind.STEP_STARTED and event.title.startswith("Clone"):
            center.server.kill()
        if event.kind is EventKind.STEP_RETRIED and center.server.process is None:
            center.server.start()

    with at_each_event(monkeypatch, restart):
        told = up()
    log_in_again(center)
    waits_for_its_node(told)
    assert "Trying again in" in told.err
    assert center.machine_names().count(NODE) == 1


def test_a_vcenter_that_is_gone_is_told_and_later_gone_on_with(
    up: Viaduct, center: Center, monkeypatch: pytest.MonkeyPatch
) -> None:
    def end(event: Event) -> None:
        if event.kind is EventKind.STEP_STARTED and event.title.startswith("Give node1"):
            center.server.kill()

    try:
        with at_each_event(monkeypatch, end):
            told = up()
    finally:
        center.server.start()
        log_in_again(center)
    told.refuses("VCENTER-101", "The connection to vCenter broke", "run the same command again")
    assert "could not be undone" in told.err
    assert "Running the command again goes on." in told.err
    told = up()
    waits_for_its_node(told)
    assert "Clone node1" not in told.err, "the VM that was made is taken over"
    assert center.machine_names().count(NODE) == 1


def test_a_node_that_never_answers_shows_its_console(up: Viaduct, center: Center) -> None:
    told = up()
    waits_for_its_node(told)
    assert f"| (the console of VM {NODE} has written nothing yet)" in told.err
    lines = [f"[ {number}.000000] booting" for number in range(200)]
    text = "\n".join([*lines, "Kernel panic - not syncing: no root", ""])
    center.put("management-ds", f"{NODE}/console.log", text.encode())
    told = up()
    waits_for_its_node(told)
    assert "  | Kernel panic - not syncing: no root\n" in told.err
    assert "port group 'management' reaches this machine" in told.flat
    assert 20 < told.err.count("booting") < 60, "the end of it, not all"
    assert up("-v").err.count("booting") == 200


def test_a_node_whose_console_cannot_be_read(up: Viaduct, center: Center) -> None:
    waits_for_its_node(up())
    [port] = center.devices(NODE, vim.vm.device.VirtualSerialPort)
    edit = vim.vm.device.VirtualDeviceSpec(operation="remove", device=port)
    WaitForTask(center.machine(NODE).PowerOffVM_Task())
    WaitForTask(center.machine(NODE).ReconfigVM_Task(vim.vm.ConfigSpec(deviceChange=[edit])))
    told = up()
    waits_for_its_node(told)
    assert f"| (VM {NODE} has no serial port that writes to a file)" in told.err


def test_a_node_that_boots_but_does_not_answer_by_ssh(up: Viaduct, center: Center) -> None:
    waits_for_its_node(up())
    key = asyncssh.generate_private_key("ssh-ed25519").export_public_key().decode().strip()
    center.publish(NODE, {"guestinfo.viaduct.hostkey": key})
    told = up()
    told.refuses("NODE-101", f"The node 'node1' does not answer after {SHORT} s: The node at 127.93.0.100 ")
    assert "that its VM runs and is connected to the management port group" in told.flat


def test_a_node_that_publishes_no_key_but_rubbish(up: Viaduct, center: Center) -> None:
    waits_for_its_node(up())
    center.publish(NODE, {"guestinfo.viaduct.hostkey": "ssh-ed25519 rubbish"})
    up().refuses("NODE-101", "node1", "host key")


def test_other_commands_while_the_vcenter_is_gone(up: Viaduct, viaduct: Viaduct, center: Center) -> None:
    """Those that need it say so; nothing is forgotten, least of all by a removal."""
    waits_for_its_node(up())
    center.server.kill()
    try:
        status = viaduct("status")
        assert (status.status, "unknown" in status.out, "does not answer" in status.out) == (0, True, True)
        assert viaduct("env").status == 0
        for words in (["plan"], ["verify"], ["node", "ssh", "node1"], ["down"], ["down", "--purge", "--yes"]):
            viaduct(*words).refuses("VCENTER-101", "does not answer (Connection refused)", "vcenter.host")
    finally:
        center.server.start()
        log_in_again(center)
    assert "node1: poweredOn, does not answer" in viaduct("status").out
