"""``up``, ``status``, ``verify`` and ``down`` on a faked world: the use cases above a deployment."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

import fakes
from fakes import FakeJournal, FakeRecords, FakeTime, Killed, World
from viaduct.engine.run import Report, Run
from viaduct.errors import (
    CloudError,
    InputError,
    NodeUnreachable,
    VCenterTaskFailed,
    VCenterUnreachable,
    VerificationFailed,
)
from viaduct.model.event import Event, EventKind
from viaduct.planning.request import SpecRequest
from viaduct.services import access
from viaduct.services.destroy import TeardownActions, remove_plan, stop_plan
from viaduct.services.images import Image
from viaduct.services.nodes import login_command
from viaduct.services.status import status, unreachable
from viaduct.services.tools import CloudTools
from viaduct.services.up import LocalParts, up
from viaduct.services.verification import verify


class FakeMachine:
    missing: tuple[str, ...] = ("mmdebstrap",)

    def __init__(self) -> None:
        self.installed: list[str] = []

    def check(self, *, lab: bool, image_built: bool) -> None:
        pass

    def missing_packages(self, lists: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(p for p in self.missing if p not in self.installed)

    def install(self, packages: tuple[str, ...], reason: str, report: Report) -> None:
        self.installed += packages


class FakeImages:
    def __init__(self) -> None:
        self.image: Image | None = None

    def current(self) -> Image | None:
        return self.image

    def build(self, report: Report) -> Image:
        report("Base system …")
        self.image = Image("img-1", "0.1.0", Path("/state/images/img-1"), (), True)
        return self.image


class FakeLab:
    exists = True

    def __init__(self, site_file: Path) -> None:
        self.site_file = site_file
        self.done: list[str] = []

    def start(self, image: Path, report: Report) -> Path:
        self.done.append("start")
        return self.site_file

    def stop(self, report: Report) -> None:
        self.done.append("stop")

    def purge(self, report: Report) -> None:
        self.done.append("purge")


class Scene:
    def __init__(self, directory: Path) -> None:
        self.directory = directory / "clouds" / "viaduct"
        self.world = World(fakes.facts())
        self.records = FakeRecords(self.world)
        self.journal = FakeJournal()
        self.events: list[Event] = []
        self.lab = FakeLab(directory / "site.yaml")
        self.machine = FakeMachine()
        self.images = FakeImages()
        self.refusals: list[VCenterUnreachable] = []
        self.time = FakeTime()

    def tools(self) -> CloudTools:
        return fakes.tools(self.world, self.directory, self.records, time=self.time)

    def run(self, command: str) -> Run:
        self.events.clear()
        return Run("viaduct", command, self.journal, self.events.append, clock=self.time.clock())

    def connect(self, path: Path, lab: bool) -> CloudTools:
        if self.refusals:
            raise self.refusals.pop()
        return self.tools()

    def up(self, site_file: Path | None = None) -> bool:
        parts = LocalParts(self.machine, self.images, self.lab)  # type: ignore[arg-type]
        with self.run("up") as run:
            deployed, _ = up(run, parts, site_file, SpecRequest(name="viaduct"), self.connect, verify=True)
        return deployed.changed

    def down(self, *, purge: bool, lab: bool = True, reachable: bool = True) -> None:
        tools = self.tools() if reachable else None
        actions = TeardownActions(tools, self.lab, self.records, self.directory)  # type: ignore[arg-type]
        plan = (
            remove_plan(tools, "viaduct", known=True, lab=lab)
            if purge
            else stop_plan(tools, "viaduct", lab=lab)
        )
        with self.run("down") as run:
            run.execute(plan, actions.handlers())

    def started(self) -> list[str]:
        return [e.step.partition(":")[0] for e in self.events if e.kind is EventKind.STEP_STARTED]


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    return Scene(tmp_path)


def test_up_on_a_bare_machine_and_again(scene: Scene) -> None:
    assert scene.up()
    assert scene.started() == [
        "check-machine",
        "install-packages",
        "build-image",
        "start-lab",
        "connect",
        "observe",
        "ensure-folder",
        "clone-node",
        "identify-node",
        "power-on-node",
        "wait-node",
        "apply-state",
        "register-catalog",
        "wait-services",
        "verify",
        "observe-again",
    ]
    totals = {e.total for e in scene.events if e.kind is EventKind.STEP_STARTED}
    assert totals == {15, 16}, "15 were foreseen; the packages were not"
    assert not scene.up()
    assert scene.started() == ["check-machine", "build-image", "start-lab", "connect", "observe"]


def test_up_on_a_described_site_leaves_the_machine_alone(scene: Scene) -> None:
    assert scene.up(Path("/site.yaml"))
    assert scene.started()[:3] == ["check-machine", "connect", "observe"]
    assert scene.lab.done == []
    assert scene.machine.installed == []


def test_vcenter_that_is_slow_to_answer_is_tried_again(scene: Scene) -> None:
    scene.refusals = [VCenterUnreachable("Connection refused.")] * 2
    assert scene.up()


def test_status(scene: Scene) -> None:
    scene.up()
    [record] = scene.records.all()
    found = status(scene.tools(), record.spec)
    assert (found.health, found.verified, found.endpoint) == ("ok", True, "https://10.70.1.100:5000/v3")
    assert found.nodes[0].state == "current"
    assert found.document()["services"] == {"nova-compute@node1": True}
    scene.world.services["nova-compute@node1"] = False
    assert status(scene.tools(), record.spec).health == "degraded"
    scene.world.vms["viaduct-node1"].digest = None
    assert status(scene.tools(), record.spec).nodes[0].state == "none"
    scene.down(purge=False)
    assert status(scene.tools(), record.spec).health == "stopped"
    scene.world.vms.clear()
    assert status(scene.tools(), record.spec).health == "absent"
    gone = unreachable(record.spec, VCenterUnreachable("No route.", "Check."), stopped=False)
    assert (gone.health, gone.problems) == ("unknown", ("No route. Check.",))


def test_down_and_up_again(scene: Scene) -> None:
    scene.up()
    scene.down(purge=False)
    assert scene.world.vms["viaduct-node1"].vm.power == "poweredOff"
    assert scene.lab.done == ["start", "stop"]
    scene.world.calls.clear()
    assert scene.up()
    assert "clone_node" not in scene.world.calls
    assert "register" not in scene.world.calls


def test_purge_leaves_nothing(scene: Scene) -> None:
    scene.up()
    scene.down(purge=True)
    assert scene.world.vms == {}
    assert scene.world.folders == {"Templates"}
    assert scene.records.all() == ()
    assert not scene.directory.exists()
    assert scene.lab.done[-1] == "purge"


def test_purge_keeps_a_folder_that_others_use(scene: Scene) -> None:
    scene.world.folders |= {"Viaduct", "Viaduct/other"}
    scene.up()
    scene.down(purge=True)
    assert scene.world.folders == {"Templates", "Viaduct", "Viaduct/other"}


def test_purge_killed_anywhere_is_completed(tmp_path: Path) -> None:
    moment = 0
    while True:
        moment += 1
        scene = Scene(tmp_path / str(moment))
        scene.up()
        scene.world.moments, scene.world.kill_at = 0, moment
        try:
            scene.down(purge=True)
        except Killed:
            pass
        else:
            break
        scene.world.kill_at = None
        scene.down(purge=True)
        assert scene.world.vms == {}
        assert scene.records.all() == ()
    assert moment > 5


def test_purge_of_a_lab_that_does_not_run(scene: Scene) -> None:
    scene.up()
    scene.down(purge=True, reachable=False)
    assert scene.records.all() == ()
    assert scene.lab.done[-1] == "purge"


def test_purge_that_fails_undoes_nothing(scene: Scene) -> None:
    scene.up()
    scene.world.faults["delete"] = [VCenterTaskFailed("In use.")] * 9
    with pytest.raises(VCenterTaskFailed):
        scene.down(purge=True)
    assert len(scene.records.all()) == 1, "the cloud is still known to be ours"


def test_verify_now(scene: Scene) -> None:
    scene.up()
    [record] = scene.records.all()
    scene.world.faults["verify"] = [VerificationFailed("No address.")]
    with pytest.raises(VerificationFailed), scene.run("verify") as run:
        verify(run, scene.tools, record.spec)
    assert scene.records.all()[0].verified is None
    with scene.run("verify") as run:
        verify(run, scene.tools, record.spec)
    assert not scene.up()


def test_access(scene: Scene) -> None:
    with pytest.raises(CloudError, match="not deployed yet"):
        access.variables(scene.directory, "viaduct")
    scene.up()
    values = access.variables(scene.directory, "viaduct")
    text = access.exports(values)
    assert "export OS_CLOUD=viaduct" in text
    assert "s3cret" not in text


def test_login(scene: Scene) -> None:
    scene.up()
    [record] = scene.records.all()
    assert login_command(scene.tools(), record.spec, "node1") == ("ssh", "root@10.70.0.100")
    with pytest.raises(InputError) as caught:
        login_command(scene.tools(), record.spec, "node2")
    fake = scene.world.vms["viaduct-node1"]
    fake.vm = replace(fake.vm, host_key="")
    with pytest.raises(NodeUnreachable, match="has not published its SSH host key"):
        login_command(scene.tools(), record.spec, "node1")
    fake.vm = replace(fake.vm, power="poweredOff")
    with pytest.raises(NodeUnreachable, match="switched off"):
        login_command(scene.tools(), record.spec, "node1")
    assert "node1" in caught.value.remedy
    scene.world.vms.clear()
    with pytest.raises(NodeUnreachable):
        login_command(scene.tools(), record.spec, "node1")
