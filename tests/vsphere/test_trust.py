"""Whom the client trusts, and what it says when it does not."""

from __future__ import annotations

import socket
import time
from dataclasses import replace
from pathlib import Path

import pytest
from vcenter_site import Center, Relay

from vcenter_server import make_certificate
from viaduct.errors import SiteFileError, VCenterLoginFailed, VCenterUnreachable, VCenterUntrusted
from viaduct.model.secret import Secret
from viaduct.vsphere.client import VCenterClient
from viaduct.vsphere.trust import presented_chain, thumbprint


def test_a_ca_file_is_handed_on_as_it_is(center: Center) -> None:
    client = VCenterClient(center.vcenter)
    assert client.certificate_authority() == center.server.ca_file.read_text()
    client.close()


def test_another_ca_is_not_trusted_and_the_thumbprint_is_shown(center: Center, tmp_path: Path) -> None:
    other, _, _ = make_certificate(tmp_path, ("127.0.0.1",))
    with pytest.raises(VCenterUntrusted) as failure:
        VCenterClient(replace(center.vcenter, ca_file=other))
    seen = thumbprint(presented_chain(center.vcenter)[0])
    assert failure.value.thumbprint == seen
    assert seen in failure.value.sentence
    assert f"thumbprint: '{seen}'" in failure.value.remedy
    assert "ca_file" in failure.value.remedy


def test_the_system_store_does_not_know_the_labs_ca(center: Center) -> None:
    with pytest.raises(VCenterUntrusted):
        VCenterClient(replace(center.vcenter, ca_file=None))


def test_the_thumbprint_that_was_shown_can_be_pinned(center: Center) -> None:
    with pytest.raises(VCenterUntrusted) as failure:
        VCenterClient(replace(center.vcenter, ca_file=None))
    client = VCenterClient(replace(center.vcenter, ca_file=None, thumbprint=failure.value.thumbprint))
    assert client.facts(center.site).datacenters == ("Datacenter",)
    assert client.certificate_authority().startswith("-----BEGIN CERTIFICATE-----")
    client.close()


def test_the_issuers_thumbprint_can_be_pinned(center: Center) -> None:
    chain = presented_chain(center.vcenter)
    assert len(chain) == 2
    client = VCenterClient(replace(center.vcenter, ca_file=None, thumbprint=thumbprint(chain[1])))
    assert client.certificate_authority().strip() == center.server.ca_file.read_text().strip()
    client.close()


@pytest.mark.parametrize("change", [str.lower, lambda t: t.replace(":", "")])
def test_a_thumbprint_may_be_written_otherwise(center: Center, change: object) -> None:
    assert callable(change)
    written = change(thumbprint(presented_chain(center.vcenter)[0]))
    VCenterClient(replace(center.vcenter, ca_file=None, thumbprint=written)).close()


def test_another_thumbprint_is_refused(center: Center) -> None:
    wrong = ":".join(["00"] * 32)
    with pytest.raises(VCenterUntrusted, match="not the one in the site file"):
        VCenterClient(replace(center.vcenter, thumbprint=wrong))


def test_a_pinned_ca_does_not_make_other_names_right(center: Center) -> None:
    """The CA also issues the hosts' certificates: a host must not pass for the vCenter."""
    issuer = thumbprint(presented_chain(center.vcenter)[1])
    elsewhere = replace(center.vcenter, host="localhost", ca_file=None, thumbprint=issuer)
    relay = Relay(center.server.host, center.server.port)
    try:
        with pytest.raises(VCenterUntrusted, match=r"[Hh]ostname"):
            VCenterClient(replace(elsewhere, port=relay.port))
        leaf = thumbprint(presented_chain(center.vcenter)[0])
        VCenterClient(replace(elsewhere, port=relay.port, thumbprint=leaf)).close()
    finally:
        relay.close()


def test_an_unreadable_ca_file_is_an_error_of_the_site_file(center: Center, tmp_path: Path) -> None:
    with pytest.raises(SiteFileError, match=r"vcenter\.ca_file"):
        VCenterClient(replace(center.vcenter, ca_file=tmp_path / "missing.pem"))
    (tmp_path / "empty.pem").write_text("nothing")
    with pytest.raises(SiteFileError, match=r"vcenter\.ca_file"):
        VCenterClient(replace(center.vcenter, ca_file=tmp_path / "empty.pem"))


def test_a_wrong_password_is_told_without_showing_it(center: Center) -> None:
    with pytest.raises(VCenterLoginFailed) as failure:
        VCenterClient(replace(center.vcenter, password=Secret("wrong-password")))
    assert "wrong-password" not in f"{failure.value} {failure.value.remedy} {failure.value.detail}"
    assert "password_file" in failure.value.remedy


def test_nobody_listening_is_told_at_once(center: Center) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
        with pytest.raises(VCenterUnreachable, match=rf"127\.0\.0\.1:{port} does not answer"):
            VCenterClient(replace(center.vcenter, host="127.0.0.1", port=port))


def test_an_unknown_name_is_told(center: Center) -> None:
    with pytest.raises(VCenterUnreachable, match="no-such-host"):
        VCenterClient(replace(center.vcenter, host="no-such-host.invalid"))


def test_silence_ends_after_the_time_out(center: Center, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("viaduct.vsphere.trust.CONNECT_TIMEOUT", 0.5)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        started = time.monotonic()
        with pytest.raises(VCenterUnreachable):
            VCenterClient(replace(center.vcenter, host="127.0.0.1", port=silent.getsockname()[1]))
        assert time.monotonic() - started < 5
