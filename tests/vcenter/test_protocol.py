"""The wire: what is not a good call gets a fault, at once."""

from __future__ import annotations

import http.client
import re
import time
from typing import Any

import pytest
from official_schema import problems

from vcenter_server import PASSWORD, USER, VCenterProcess

ENVELOPE = (
    '<soapenv:Envelope xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/" '
    'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"><soapenv:Body>{}</soapenv:Body></soapenv:Envelope>'
)
LOGIN = (
    f'<Login xmlns="urn:vim25"><_this type="SessionManager">SessionManager</_this>'
    f"<userName>{USER}</userName><password>{PASSWORD}</password></Login>"
)


class Wire:
    """Raw POSTs to /sdk."""

    def __init__(self, server: VCenterProcess) -> None:
        self._connection = http.client.HTTPSConnection(
            server.host, server.port, context=server.client_context(), timeout=10
        )
        self.cookie = ""
        self.headers: Any = None

    def post(self, body: str | bytes, cookie: str | None = None) -> tuple[int, str]:
        """(status, body) of a POST, checked against the official schema."""
        headers = {"SOAPAction": "urn:vim25/8.0.3.0", "Content-Type": "text/xml"}
        headers["Cookie"] = self.cookie if cookie is None else cookie
        content = body.encode() if isinstance(body, str) else body
        self._connection.request("POST", "/sdk", content, headers)
        response = self._connection.getresponse()
        self.headers = response.headers
        answer = response.read()
        assert problems(answer) == []
        return response.status, answer.decode()

    def call(self, content: str) -> tuple[int, str]:
        """POST an envelope with ``content`` in its body."""
        return self.post(ENVELOPE.format(content))

    def login(self) -> None:
        """Log in; the cookie is kept."""
        status, _ = self.call(LOGIN)
        assert status == 200
        self.cookie = self.headers["Set-Cookie"].split(";")[0]

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()


@pytest.fixture
def wire(vcenter: VCenterProcess) -> Any:
    """A raw connection."""
    made = Wire(vcenter)
    yield made
    made.close()


def fault_of(answer: str) -> str:
    """The type of a fault."""
    match = re.search(r'<detail><(\w+)Fault [^>]*xsi:type="(\w+)"', answer)
    assert match is not None, answer
    assert match.group(1) == match.group(2)
    return match.group(1)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"not xml",
        b"<a><b></a>",
        b"\xff\xfe\x00",
        b"<a/>",
        ENVELOPE.format("").encode(),
        ENVELOPE.format("<Login/>").encode(),
        ENVELOPE.format('<Login xmlns="urn:vim25"><_this>SessionManager</_this></Login>').encode(),
        ENVELOPE.format('<NoSuchMethod xmlns="urn:vim25"/>').encode(),
        ENVELOPE.format('<Login xmlns="urn:nonsense"/>').encode(),
        ENVELOPE.format(LOGIN.replace("userName", "nonsense")).encode(),
        ENVELOPE.format(LOGIN.replace("<password>", "<password><x/>")).encode(),
        ENVELOPE.format(LOGIN.replace(f"<userName>{USER}</userName>", "")).encode(),
        b'<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>',
        ENVELOPE.format(LOGIN).encode()[:-30],
    ],
)
def test_malformed(wire: Wire, body: bytes) -> None:
    begin = time.monotonic()
    status, answer = wire.post(body)
    assert status == 500
    assert fault_of(answer) == "InvalidRequest"
    assert time.monotonic() - begin < 3


def test_still_serves_after_all_that(wire: Wire) -> None:
    wire.login()
    status, answer = wire.call(
        '<CurrentTime xmlns="urn:vim25"><_this type="ServiceInstance">ServiceInstance</_this></CurrentTime>'
    )
    assert status == 200
    assert "<returnval>20" in answer


def test_login_sets_one_cookie_and_repeats_the_fault_name(wire: Wire) -> None:
    status, answer = wire.call(LOGIN.replace(PASSWORD, "wrong"))
    assert (status, fault_of(answer)) == (500, "InvalidLogin")
    assert wire.headers.get_all("Set-Cookie") is None
    wire.login()
    cookies = wire.headers.get_all("Set-Cookie")
    assert len(cookies) == 1
    assert cookies[0].startswith('vmware_soap_session="')


def test_login_by_token_says_what_to_do(wire: Wire) -> None:
    status, answer = wire.call(
        '<LoginByToken xmlns="urn:vim25"><_this type="SessionManager">SessionManager</_this></LoginByToken>'
    )
    assert (status, fault_of(answer)) == (500, "NotSupported")
    assert "Login with user name and password" in answer


@pytest.mark.parametrize("cookie", ["", 'vmware_soap_session="nonsense"', "a=b; ; =", "vmware_soap_session="])
def test_not_authenticated(wire: Wire, cookie: str) -> None:
    wire.cookie = cookie
    status, answer = wire.call(
        '<FindByInventoryPath xmlns="urn:vim25"><_this type="SearchIndex">SearchIndex</_this>'
        "<inventoryPath>Datacenter</inventoryPath></FindByInventoryPath>"
    )
    assert (status, fault_of(answer)) == (500, "NotAuthenticated")


def test_service_content_needs_no_session(wire: Wire) -> None:
    status, answer = wire.call(
        '<RetrieveServiceContent xmlns="urn:vim25"><_this type="ServiceInstance">ServiceInstance</_this>'
        "</RetrieveServiceContent>"
    )
    assert status == 200
    for moid in ("SearchIndex", "ExtensionManager", "PerfMgr", "DVSManager", "AlarmManager"):
        assert f">{moid}<" in answer


def test_methods_and_objects_that_are_not(wire: Wire) -> None:
    wire.login()
    cases = {
        '<QueryPerf xmlns="urn:vim25"><_this type="PerformanceManager">PerfMgr</_this>'
        '<querySpec><entity type="HostSystem">host-1</entity></querySpec></QueryPerf>': "NotSupported",
        '<Destroy_Task xmlns="urn:vim25"><_this type="Folder">group-v1</_this></Destroy_Task>':
            "ManagedObjectNotFound",
        '<Destroy_Task xmlns="urn:vim25"><_this type="VirtualMachine">group-d1</_this></Destroy_Task>':
            "ManagedObjectNotFound",
        '<PowerOnVM_Task xmlns="urn:vim25"><_this type="Folder">group-d1</_this></PowerOnVM_Task>':
            "InvalidRequest",
        '<Destroy_Task xmlns="urn:vim25"><_this type="Nonsense">group-d1</_this></Destroy_Task>':
            "InvalidRequest",
    }  # fmt: skip
    for content, expected in cases.items():
        status, answer = wire.call(content)
        assert (status, fault_of(answer)) == (500, expected), content


def test_text_that_xml_cannot_hold(wire: Wire) -> None:
    wire.login()
    status, answer = wire.call(
        '<FindExtension xmlns="urn:vim25"><_this type="ExtensionManager">ExtensionManager</_this>'
        "<extensionKey>&#13;&lt;&amp;\U0001f600</extensionKey></FindExtension>"
    )
    assert status == 200
    assert "<returnval>" not in answer


def test_integral_decimals_are_read_as_integers(wire: Wire) -> None:
    """Nova sends sizes as ``64.0``."""
    wire.login()
    status, answer = wire.call(
        '<CreateCollectorForEvents xmlns="urn:vim25"><_this type="EventManager">EventManager</_this>'
        "<filter><maxCount>64.0</maxCount></filter></CreateCollectorForEvents>"
    )
    assert status == 200, answer
    status, answer = wire.call(
        '<CreateCollectorForEvents xmlns="urn:vim25"><_this type="EventManager">EventManager</_this>'
        "<filter><maxCount>64.5</maxCount></filter></CreateCollectorForEvents>"
    )
    assert (status, fault_of(answer)) == (500, "InvalidRequest")


def test_a_prefixed_envelope_is_read_like_any_other(wire: Wire) -> None:
    wire.login()
    status, _ = wire.post(
        '<?xml version="1.0" encoding="UTF-8"?><e:Envelope '
        'xmlns:e="http://schemas.xmlsoap.org/soap/envelope/" xmlns:v="urn:vim25" '
        'xmlns:x="http://www.w3.org/2001/XMLSchema-instance"><e:Header><operationID>abc</operationID>'
        '</e:Header><e:Body><v:FindByInventoryPath><v:_this type="SearchIndex" '
        'x:type="v:ManagedObjectReference">SearchIndex</v:_this><v:inventoryPath>Datacenter'
        "</v:inventoryPath></v:FindByInventoryPath></e:Body></e:Envelope>"
    )
    assert status == 200


def test_a_chunked_body(wire: Wire, vcenter: VCenterProcess) -> None:
    body = ENVELOPE.format(LOGIN).encode()
    connection = http.client.HTTPSConnection(
        vcenter.host, vcenter.port, context=vcenter.client_context(), timeout=10
    )
    parts = iter([body[:50], body[50:]])
    connection.request("POST", "/sdk", parts, {"Transfer-Encoding": "chunked"}, encode_chunked=True)
    assert connection.getresponse().status == 200
    connection.close()


def test_the_schema_oracle_sees_mistakes() -> None:
    good = (
        b'<e:Envelope xmlns:e="http://schemas.xmlsoap.org/soap/envelope/"><e:Body>'
        b'<CurrentTimeResponse xmlns="urn:vim25"><returnval>2026-01-01T00:00:00Z</returnval>'
        b"</CurrentTimeResponse></e:Body></e:Envelope>"
    )
    assert problems(good) == []
    assert problems(good.replace(b"2026-01-01T00:00:00Z", b"yesterday"))
    assert problems(good.replace(b"returnval", b"result"))
