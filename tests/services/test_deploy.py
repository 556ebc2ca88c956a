"""Deploying with everything outside faked: from nothing, again, interrupted anywhere, and under faults."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from ipaddress import IPv4Address
from pathlib import Path

import pytest

import fakes
from fakes import FakeJournal, FakeRecords, FakeTime, Killed, World
from viaduct.engine.run import Run
from viaduct.errors import (
    CloudError,
    NodeUnreachable,
    PreflightError,
    VCenterError,
    VCenterTaskFailed,
    VCenterUnreachable,
    VerificationFailed,
)
from viaduct.model.event import Event, EventKind
from viaduct.model.observed import NodeVm
from viaduct.planning.request import SpecRequest
from viaduct.services.deploy import Deployed, deploy, preview


class Scene:
    """A world, and what the manager remembers and writes of it."""

    def __init__(self, directory: Path) -> None:
        self.world = World(fakes.facts())
        self.records = FakeRecords(self.world)
        self.journal = FakeJournal()
        self.time = FakeTime()
        self.events: list[Event] = []
        self.directory = directory

    def tools(self, **changes: object) -> fakes.CloudTools:
        return fakes.tools(self.world, self.directory, self.records, time=self.time, **changes)  # type: ignore[arg-type]

    def deploy(self, request: SpecRequest | None = None, *, verify: bool = True) -> Deployed:
        run = Run("viaduct", "up", self.journal, self.events.append, clock=self.time.clock())
        self.world.calls.clear()
        with run:
            return deploy(run, self.tools(), request or SpecRequest(name="viaduct"), verify=verify)

    def changes(self) -> list[str]:
        return [call for call in self.world.calls if call != "facts"]


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    return Scene(tmp_path)


FIRST = [
    "ensure_folder",
    "clone_node",
    "set_guestinfo",
    "power_on",
    "apply",
    "register",
    "wait_for_services",
    "verify",
]


def test_from_nothing_then_nothing_to_do(scene: Scene) -> None:
    assert scene.deploy().changed
    assert scene.changes() == FIRST
    assert not scene.deploy().changed
    assert scene.changes() == []


def test_positions_totals_and_what_comes_next(scene: Scene) -> None:
    scene.deploy()
    started = [e for e in scene.events if e.kind is EventKind.STEP_STARTED]
    done = [e for e in scene.events if e.kind is EventKind.STEP_DONE]
    assert [e.position for e in started] == list(range(1, 12)) == [e.position for e in done]
    assert started[1].title == "Create VM folder Viaduct/viaduct"
    assert started[1].text == "Clone node1 from template"
    assert {e.total for e in started[1:]} == {11}
    assert started[-1].text == ""


def moments_of_a_deployment(directory: Path) -> int:
    scene = Scene(directory)
    scene.deploy()
    return scene.world.moments


def test_killed_at_every_moment_then_completed(tmp_path: Path) -> None:
    moments = moments_of_a_deployment(tmp_path / "count")
    assert moments > 20
    for moment in range(1, moments + 1):
        scene = Scene(tmp_path / str(moment))
        scene.world.kill_at = moment
        with pytest.raises(Killed):
            scene.deploy()
        scene.world.kill_at = None
        scene.deploy()
        [fake] = scene.world.of("viaduct")
        assert (fake.vm.power, fake.catalog, fake.boots) == ("poweredOn", True, 1), moment
        assert fake.folder == "Viaduct/viaduct"
        assert not scene.deploy().changed, moment
        assert scene.changes() == [], moment


def test_killed_run_is_left_running_in_the_journal(scene: Scene) -> None:
    scene.world.kill_at = 10
    with pytest.raises(Killed):
        scene.deploy()
    assert list(scene.journal.runs.values()) == ["running"]


def test_interrupted_by_the_keyboard(scene: Scene) -> None:
    def interrupt(event: Event) -> None:
        if event.kind is EventKind.STEP_STARTED and event.step == "apply-state:node1":
            raise KeyboardInterrupt

    run = Run("viaduct", "up", scene.journal, interrupt, clock=scene.time.clock())
    with pytest.raises(KeyboardInterrupt), run:
        deploy(run, scene.tools(), SpecRequest(name="viaduct"), verify=True)
    assert scene.journal.runs[run.id] == "interrupted"
    assert "same command again" in scene.journal.errors[-1]
    assert len(scene.world.vms) == 1
    scene.deploy()
    assert scene.changes() == ["apply", "register", "wait_for_services", "verify"]


def test_clone_fails_twice_then_works(scene: Scene) -> None:
    scene.world.faults["clone_node"] = [
        VCenterTaskFailed("No space for now."),
        VCenterTaskFailed("Still none."),
    ]
    scene.deploy()
    assert Counter(scene.world.calls)["clone_node"] == 3
    assert len(scene.world.vms) == 1
    retried = [e.text for e in scene.events if e.kind is EventKind.STEP_RETRIED]
    assert len(retried) == 2
    assert "Trying again in" in retried[0]


def test_clone_fails_for_good_and_leaves_nothing(scene: Scene) -> None:
    scene.world.faults["clone_node"] = [VCenterTaskFailed("The disk is full.")] * 9
    before = set(scene.world.folders)
    with pytest.raises(VCenterTaskFailed, match="disk is full"):
        scene.deploy()
    assert scene.world.vms == {}
    # The folder's parent may stay; what is the cloud's own is gone.
    assert "Viaduct/viaduct" not in scene.world.folders
    assert scene.world.folders - before <= {"Viaduct"}
    assert ("ensure-folder:viaduct", "undone") in scene.journal.steps
    scene.world.faults.clear()
    assert scene.deploy().changed


def test_identity_fails_for_good_and_the_clone_is_removed(scene: Scene) -> None:
    scene.world.faults["set_guestinfo"] = [VCenterError("No permission.")]
    with pytest.raises(VCenterError):
        scene.deploy()
    assert scene.world.vms == {}


def test_what_has_run_is_not_undone(scene: Scene) -> None:
    scene.world.faults["apply"] = [CloudError("A unit failed.")]
    with pytest.raises(CloudError):
        scene.deploy()
    assert scene.world.vms["viaduct-node1"].vm.power == "poweredOn"
    scene.deploy()
    assert scene.changes()[0] == "apply"


@pytest.mark.parametrize("method", ["facts", "ensure_folder", "clone_node", "power_on", "register"])
def test_vcenter_drops_out_for_a_moment(scene: Scene, method: str) -> None:
    scene.world.faults[method] = [VCenterUnreachable("The connection broke.")]
    scene.deploy()
    assert len(scene.world.vms) == 1


def test_clone_that_ended_while_we_were_cut_off_is_adopted(scene: Scene) -> None:
    """The task went on in vCenter: the name is taken, by our own VM."""
    original = fakes.FakeVSphere.clone_node
    lost = [True]

    def clone(self: fakes.FakeVSphere, *args: object) -> NodeVm:
        vm = original(self, *args)  # type: ignore[arg-type]
        if lost:
            lost.clear()
            raise VCenterUnreachable("The connection broke.")
        return vm

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fakes.FakeVSphere, "clone_node", clone)
        scene.deploy()
    assert len(scene.world.vms) == 1


def test_node_that_never_answers_shows_its_console(scene: Scene) -> None:
    scene.world.silent.add("node1")
    with pytest.raises(NodeUnreachable) as caught:
        scene.deploy()
    assert "Kernel panic" in caught.value.detail
    assert "30 s" in caught.value.sentence
    assert "same command again" in caught.value.remedy
    assert "viaduct-node1" in scene.world.vms, "it is kept to be looked at"


def test_failed_verification_is_tried_again_by_the_next_up(scene: Scene) -> None:
    scene.world.faults["verify"] = [VerificationFailed("The volume has other bytes.")]
    with pytest.raises(VerificationFailed):
        scene.deploy()
    assert scene.deploy().changed
    assert scene.changes() == ["verify"]


def test_without_verification(scene: Scene) -> None:
    scene.deploy(verify=False)
    assert "verify" not in scene.world.calls
    scene.deploy()
    assert scene.changes() == ["verify"]


def test_changed_option_touches_only_the_state(scene: Scene) -> None:
    scene.deploy()
    options = {"nova.conf": {"DEFAULT": {"debug": "true"}}}
    scene.deploy(SpecRequest(name="viaduct", options=options))
    assert scene.changes() == ["apply", "wait_for_services", "verify"]
    scene.deploy()
    assert scene.changes() == [], "the options are kept by the stored spec"


def test_vm_deleted_behind_our_back_is_made_anew(scene: Scene) -> None:
    scene.deploy()
    scene.world.vms.clear()
    scene.deploy()
    assert scene.changes() == FIRST[1:]


def test_lab_reset_gives_the_same_references_again(scene: Scene) -> None:
    """Equal moids must not make a new node's empty database pass for a registered one."""
    scene.deploy()
    scene.world.vms.clear()
    scene.world.references = iter(range(101, 999))  # type: ignore[assignment]
    scene.deploy()
    assert "register" in scene.world.calls


def test_powered_off_node_is_started_again(scene: Scene) -> None:
    scene.deploy()
    fake = scene.world.vms["viaduct-node1"]
    fake.vm = replace(fake.vm, power="poweredOff", host_key="")
    scene.deploy()
    assert scene.changes()[0] == "power_on"
    assert "set_guestinfo" not in scene.world.calls, "it has its identity already"
    assert "clone_node" not in scene.world.calls
    assert not {"register", "verify"} & set(scene.world.calls), "it is the very cloud that was verified"


def test_service_that_is_down_is_waited_for(scene: Scene) -> None:
    scene.deploy()
    scene.world.services["nova-compute@node1"] = False
    scene.deploy()
    assert scene.changes() == ["wait_for_services"]


def test_foreign_cloud_of_that_name_is_refused(scene: Scene, tmp_path: Path) -> None:
    scene.deploy()
    other = Scene(tmp_path / "other")
    other.world.vms = scene.world.vms
    with pytest.raises(PreflightError, match="already there") as caught:
        other.deploy()
    assert "--name" in caught.value.remedy
    assert other.records.all() == ()
    assert other.changes() == []


def test_nothing_is_made_when_the_site_lacks_something(scene: Scene) -> None:
    scene.world.facts = replace(scene.world.facts, templates=(), switches=("dvs-prod",))
    with pytest.raises(PreflightError) as caught:
        scene.deploy()
    assert "dvs-prod" in caught.value.remedy
    assert scene.changes() == []
    assert scene.records.all() == ()
    assert list(scene.directory.iterdir()) == []


def test_used_addresses_are_passed_over(scene: Scene) -> None:
    scene.world.facts = replace(scene.world.facts, used_addresses={"10.70.0.100": "printer", "fe80::1": "x"})
    spec = scene.deploy().cloud.spec
    assert spec.nodes[0].management_address == IPv4Address("10.70.0.101")


def test_clouds_of_ours_do_not_share_addresses(scene: Scene) -> None:
    scene.deploy()
    seen = preview(scene.tools(name="two"), SpecRequest(name="two"), verify=True)
    assert seen.site.spec.public_address == IPv4Address("10.70.1.101")


def test_preview_makes_nothing(scene: Scene) -> None:
    seen = preview(scene.tools(), SpecRequest(name="viaduct"), verify=True)
    assert [step.action for step in seen.plan.steps][:2] == ["ensure-folder", "clone-node"]
    assert scene.changes() == []
    assert scene.records.all() == ()
    assert list(scene.directory.iterdir()) == []
    scene.deploy()
    assert not preview(scene.tools(), SpecRequest(name="viaduct"), verify=True).plan


def test_no_secret_in_events_journal_or_errors(scene: Scene) -> None:
    leak = f"mysql said: {fakes.VCENTER_PASSWORD} and s3cret-admin_password"
    scene.world.faults["apply"] = [CloudError(leak)]
    with pytest.raises(CloudError):
        scene.deploy()
    told = " ".join(e.text for e in scene.events) + " ".join(scene.journal.errors)
    assert "mysql said: *** and ***" in told
    assert fakes.VCENTER_PASSWORD not in told
    assert "s3cret" not in told


def test_clouds_file_is_private_and_complete(scene: Scene) -> None:
    import yaml

    scene.deploy()
    path = scene.directory / "clouds.yaml"
    assert path.stat().st_mode & 0o777 == 0o600
    entry = yaml.safe_load(path.read_text())["clouds"]["viaduct"]
    assert entry["auth"]["auth_url"] == "https://10.70.1.100:5000/v3"
    assert entry["auth"]["password"] == "s3cret-admin_password"
    assert Path(entry["cacert"]).read_text() == "PEM of the cloud's CA"
