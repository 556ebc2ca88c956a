"""A vCenter that drops sessions and connections in between."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest
from vcenter_site import NODE, Center, prepared

from viaduct.errors import VCenterUnreachable
from viaduct.vsphere import nodes
from viaduct.vsphere.client import VCenterClient


def test_a_dropped_session_is_renewed_silently(center: Center, client: VCenterClient) -> None:
    for _ in range(2):
        center.server.control("POST", "/sessions/drop")
        assert client.facts(center.site).datacenters == ("Datacenter",)


def test_a_wait_outlives_its_session(center: Center, client: VCenterClient, cloud: str) -> None:
    vm = client.clone_node(center.site, cloud, NODE, {}, lambda _: None)
    drop = threading.Timer(0.3, center.server.control, ["POST", "/sessions/drop"])
    publish = threading.Timer(1.0, _publish, [center, vm.name])
    drop.start()
    publish.start()
    known = client.wait_for_host_key(vm, timeout=30)
    publish.join()
    assert known is not None
    assert known.host_key == "ssh-ed25519 AAAA"


def _publish(center: Center, name: str) -> None:
    # The drop ended our helper's session as well.
    other = VCenterClient(center.vcenter)
    vm = next(vm for vm in other.nodes(name.rpartition("-")[0]) if vm.name == name)
    other.set_guestinfo(vm, {nodes.HOST_KEY.removeprefix("guestinfo."): "ssh-ed25519 AAAA"})
    other.close()


def test_threads_share_one_renewal(center: Center, client: VCenterClient) -> None:
    client.facts(center.site)
    center.server.control("POST", "/sessions/drop")
    center.server.control("POST", "/calls/reset")
    failed: list[BaseException] = []

    def work() -> None:
        try:
            client.nodes("none")
        except BaseException as problem:
            failed.append(problem)

    threads = [threading.Thread(target=work) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert failed == []
    assert center.server.control("GET", "/calls")["Login"] == 1


def test_the_console_log_survives_a_dropped_session(
    center: Center, client: VCenterClient, cloud: str
) -> None:
    vm = client.clone_node(center.site, cloud, NODE, {}, lambda _: None)
    client.console_log(center.site, vm)
    center.server.control("POST", "/sessions/drop")
    assert "written nothing yet" in client.console_log(center.site, vm)


def test_a_restart_of_the_vcenter_is_survived(tmp_path: Path) -> None:
    with prepared(tmp_path, network="127.0.82") as own:
        client = VCenterClient(own.vcenter)
        client.ensure_folder(own.site, "Viaduct/kept")
        own.server.stop()
        started = time.monotonic()
        with pytest.raises(VCenterUnreachable):
            client.facts(own.site)
        assert time.monotonic() - started < 15
        own.server.start()
        assert client.folder_exists(own.site, "Viaduct/kept")
        client.close()
