"""The administrator's adapter, over real HTTPS, with good and bad answers."""

from __future__ import annotations

import threading
import time
from pathlib import Path
from typing import Any

import pytest
from identity_server import Answers

from samples import sample_cloud
from viaduct.errors import CloudError
from viaduct.openstack import flavors
from viaduct.openstack.admin import OpenStackAdmin
from viaduct.openstack.catalog import INTERFACES, REQUIRED

Api = tuple[Answers, Path]
CLOUD = sample_cloud()


def test_identity_that_answers_ends_the_wait(admin: OpenStackAdmin) -> None:
    admin.wait_for_identity(10)


def test_a_wrong_password_is_not_waited_for_ever_and_not_shown(admin: OpenStackAdmin, api: Api) -> None:
    api[0].password = "another"
    with pytest.raises(CloudError, match="does not answer after 1 s") as failure:
        admin.wait_for_identity(1)
    assert CLOUD.secret("admin_password") not in f"{failure.value} {failure.value.detail}"


def test_identity_that_comes_up_late_is_waited_for(admin: OpenStackAdmin, api: Api) -> None:
    right, api[0].password = api[0].password, "not yet"
    started = time.monotonic()

    threading.Timer(0.5, lambda: setattr(api[0], "password", right)).start()
    admin.wait_for_identity(20)
    assert 0.5 <= time.monotonic() - started < 10


def test_a_certificate_of_another_ca_is_refused(api: Api, tmp_path: Path) -> None:
    from viaduct.pki.authority import CloudAuthority

    other = CloudAuthority(tmp_path / "other", "other")
    other.ensure(("a",), ())
    with pytest.raises(CloudError, match=r"SSL|certificate"):
        OpenStackAdmin(CLOUD, other.ca_file).wait_for_identity(1)


def test_nobody_there_is_told(tmp_path: Path, api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("viaduct.openstack.connection.identity_url", lambda cloud: "https://127.0.0.1:1/v3")
    started = time.monotonic()
    with pytest.raises(CloudError, match="does not answer"):
        OpenStackAdmin(CLOUD, api[1]).wait_for_identity(1)
    assert time.monotonic() - started < 5


def services(**state: str) -> list[dict[str, Any]]:
    return [{"binary": b.replace("_", "-"), "host": "node1", "state": s} for b, s in state.items()]


def test_services_of_both_kinds_are_listed(admin: OpenStackAdmin, api: Api) -> None:
    api[0].routes |= {
        "GET /v2.1/os-services": (200, {"services": services(nova_compute="up", nova_scheduler="down")}),
        "GET /volume/v3/os-services": (200, {"services": services(cinder_volume="up")}),
    }
    assert admin.services_up() == {
        "nova-compute@node1": True,
        "nova-scheduler@node1": False,
        "cinder-volume@node1": True,
    }


def test_an_api_that_fails_is_told_with_its_answer(admin: OpenStackAdmin, api: Api) -> None:
    api[0].routes["GET /v2.1/os-services"] = (500, {"computeFault": {"message": "database is away"}})
    with pytest.raises(CloudError, match=r"could not list its services: .*database is away"):
        admin.services_up()


def test_waiting_ends_with_what_is_missing(admin: OpenStackAdmin, api: Api) -> None:
    api[0].routes |= {
        "GET /v2.1/os-services": (200, {"services": services(nova_compute="up", nova_scheduler="up")}),
        "GET /volume/v3/os-services": (200, {"services": []}),
    }
    told: list[str] = []
    with pytest.raises(CloudError, match="nova-conductor, cinder-scheduler, cinder-volume"):
        admin.wait_for_services(CLOUD, 0.1, told.append)
    assert told == ["waiting for nova-conductor, cinder-scheduler, cinder-volume"]


def catalog() -> dict[str, Any]:
    listed = [
        {"id": f"{t}-{i}", "service_id": t, "interface": i, "region_id": "RegionOne", "url": f"https://{t}"}
        for t in REQUIRED
        for i in INTERFACES
    ]
    return {
        "GET /v3/services": (200, {"services": [{"id": t, "type": t, "name": t} for t in REQUIRED]}),
        "GET /v3/endpoints": (200, {"endpoints": listed}),
    }


def test_a_catalog_with_a_gap_is_told(admin: OpenStackAdmin, api: Api) -> None:
    api[0].routes |= catalog()
    api[0].routes["GET /v3/endpoints"][1]["endpoints"].pop()
    with pytest.raises(CloudError, match="lacks the endpoints block-storage/admin"):
        admin.register(CLOUD, lambda _: None)


def test_registration_adds_what_is_missing_only(admin: OpenStackAdmin, api: Api) -> None:
    made: list[Any] = []

    def create(kind: str) -> Any:
        def answer(body: Any) -> tuple[int, Any]:
            made.append(body[kind])
            return 201, {kind: {"id": "new", **body[kind]}}

        return answer

    api[0].routes |= catalog() | {
        "POST /v3/services": create("service"),
        "POST /v3/endpoints": create("endpoint"),
        "GET /v2.1/flavors/detail": (200, {"flavors": [{"id": "1", "name": "m1.tiny"}]}),
        "POST /v2.1/flavors": create("flavor"),
    }
    told: list[str] = []
    admin.register(CLOUD, told.append)
    assert [m["type"] for m in made if "type" in m] == ["volumev3"]
    assert sorted(m["interface"] for m in made if "interface" in m) == sorted(INTERFACES)
    assert {m["name"] for m in made if "vcpus" in m} == set(flavors.DEFAULTS) - {"m1.tiny"}
    assert told[-1] == "made flavors m1.small, m1.medium, m1.large"
