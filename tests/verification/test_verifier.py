"""The verification's flow against a cloud in memory: each thing that can be wrong is found and told."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from pretend_cloud import PretendCloud

from samples import sample_cloud
from viaduct.errors import CloudError, VerificationFailed
from viaduct.services.verify import end_checks, run
from viaduct.services.verify.checks import STAGES
from viaduct.services.verify.verifier import PREFIX, TenantVerifier

CLOUD = sample_cloud()


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run, "VCENTER_GRACE", 0.0)
    monkeypatch.setattr(end_checks, "GRACE", 0.0)


def verify(pretend: PretendCloud, report: Callable[[str], None] = lambda _: None) -> None:
    hurried = tuple(
        tuple(tuple(replace(c, seconds=0.0) for c in track) for track in stage) for stage in STAGES
    )
    TenantVerifier(lambda: pretend, pretend, hurried).verify(CLOUD, report)


def test_a_sound_cloud_passes_every_check_and_keeps_nothing() -> None:
    told: list[str] = []
    pretend = PretendCloud()
    verify(pretend, told.append)
    titles = [c.title for stage in STAGES for track in stage for c in track]
    assert sorted(line.partition(":")[0] for line in told[:-1]) == sorted(titles)
    assert (pretend.servers, pretend.volumes, pretend.images, pretend.networks) == ({}, {}, {}, {})
    assert (pretend.projects, pretend.flavors, pretend.cache) == ([], {}, set())
    assert pretend.calls.count("reboot soft") == pretend.calls.count("reboot hard") == 1
    assert pretend.closed


def test_check_names_are_unique() -> None:
    names = [c.name for stage in STAGES for track in stage for c in track]
    assert len(names) == len(set(names))


@pytest.mark.parametrize(
    ("broken", "check", "said"),
    [
        ("segment", "create a network and a subnet", "VLAN 4000, which is not in the site's 1000-"),
        ("boot", "boot a server", "ERROR: No valid host was found"),
        ("vlan", "boot a server", "VLAN 1235 instead of the network's 1234"),
        ("stop", "stop it", "the VM is poweredOn"),
        ("reboot", "reboot it", "HTTP 500"),
        ("attach", "attach the volume", "disks have 1 GiB instead of 1, 1"),
        ("extend", "extend the volume", "error_extending"),
        ("volume stays", "delete the volumes", "volume-"),
        ("port group stays", "delete the network", "still there"),
        ("file stays", "look for leftovers in vCenter", "[compute-ds] image-"),
    ],
)
def test_what_is_wrong_is_found_told_and_cleaned_up(broken: str, check: str, said: str) -> None:
    pretend = PretendCloud(broken)
    with pytest.raises(VerificationFailed) as failure:
        verify(pretend)
    assert failure.value.sentence.startswith(f"Verification failed at '{check}': ")
    assert said in failure.value.sentence
    assert pretend.projects == []
    assert pretend.cache == set()
    assert pretend.closed


def test_the_projects_folders_go_with_it() -> None:
    pretend = PretendCloud()
    verify(pretend)
    removed = [
        call for call in pretend.calls if call.startswith("delete folder OpenStack/Project (viaduct-verify-")
    ]
    assert [call.rpartition(")")[2] for call in removed] == [
        "/Volumes/Snapshots",
        "/Volumes",
        "/Instances",
        "",
    ]


def test_a_failure_shows_what_openstack_and_vcenter_say() -> None:
    with pytest.raises(VerificationFailed) as failure:
        verify(PretendCloud("extend"))
    assert "OpenStack: extend volume: the driver said no" in failure.value.detail
    assert "vCenter: VM 'viaduct-verify-" in failure.value.detail
    with pytest.raises(VerificationFailed) as failure:
        verify(PretendCloud("boot"))
    assert "OpenStack: No valid host was found." in failure.value.detail
    assert "vCenter: no VM with the server's UUID" in failure.value.detail


def test_other_bytes_are_found(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from viaduct.services.verify import disk_image

    other = tmp_path / "other.raw"

    class Corrupting(PretendCloud):
        def volume_to_image(self, volume: str, name: str) -> str:
            image = super().volume_to_image(volume, name)
            disk_image.make_raw(other)
            with other.open("r+b") as file:
                file.seek(6_000_001)
                file.write(b"!")
            disk_image.make_vmdk(other, tmp_path / "other.vmdk")
            self.content[image] = (tmp_path / "other.vmdk").read_bytes()
            return image

    with pytest.raises(VerificationFailed, match="other bytes than the image"):
        verify(Corrupting())


def test_leftovers_of_an_interrupted_run_are_removed_first() -> None:
    told: list[str] = []
    pretend = PretendCloud()
    pretend.projects.append(f"{PREFIX}dead")
    pretend.projects.append("somebody-else")
    verify(pretend, told.append)
    assert told[0] == f"removed project {PREFIX}dead"
    assert pretend.projects == ["somebody-else"]


def test_a_failing_clean_up_does_not_hide_the_failed_check() -> None:
    told: list[str] = []

    class Both(PretendCloud):
        def stop(self, server: str) -> None:
            raise CloudError("OpenStack could not stop server")

    with pytest.raises(VerificationFailed, match="could not stop server"):
        verify(Both("purge"), told.append)
    assert told[-1].startswith("clean-up failed: ")


def test_a_failing_clean_up_alone_is_an_error() -> None:
    with pytest.raises(CloudError, match="gone fishing"):
        verify(PretendCloud("purge"))


def test_names_begin_with_the_prefix(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(secrets, "token_hex", lambda n: "cafe")
    seen: list[str] = []

    class Watching(PretendCloud):
        def create_tenant(self, name: str) -> PretendCloud:
            seen.append(name)
            return super().create_tenant(name)

    verify(Watching())
    assert seen == ["viaduct-verify-cafe"]
