"""The official schema of vSphere 8.0 as an oracle, from the files in the oslo.vmware distribution.

The distribution has the types but not the messages of the API. So the response elements are taken from our
own generated ``vim-messagetypes.xsd``, as far as they refer to official types only.
"""

from __future__ import annotations

import re
from functools import cache
from importlib.util import find_spec
from pathlib import Path

from lxml import etree

from viaduct_lab.config import COMPLETE
from viaduct_lab.vcenter.wsdl.service import documents

_FETCH = (
    '<element xmlns="http://www.w3.org/2001/XMLSchema" name="FetchResponse"><complexType><sequence>'
    '<element name="returnval" type="xsd:anyType" minOccurs="0" maxOccurs="unbounded" '
    'xmlns:xsd="http://www.w3.org/2001/XMLSchema"/></sequence></complexType></element>'
)
_XSD = "{http://www.w3.org/2001/XMLSchema}"
_SOAP = "{http://schemas.xmlsoap.org/soap/envelope/}"


def official_folder() -> Path:
    """Where the official files lie."""
    spec = find_spec("oslo_vmware")
    assert spec is not None
    assert spec.origin is not None
    return Path(spec.origin).parent / "wsdl" / "8.0"


@cache
def official_names() -> frozenset[str]:
    """The names of all official types."""
    names: set[str] = set()
    for path in official_folder().glob("*-types.xsd"):
        for element in etree.parse(path).getroot():
            if element.tag in (_XSD + "complexType", _XSD + "simpleType"):
                names.add(str(element.get("name")))
    return frozenset(names)


@cache
def response_schema() -> etree.XMLSchema:
    """A schema that has the official types, and our response and fault elements."""
    ours = etree.fromstring(documents(COMPLETE)["vim-messagetypes.xsd"])
    for element in list(ours):
        if element.tag == _XSD + "include":
            element.set("schemaLocation", (official_folder() / "vim-types.xsd").as_uri())
            continue
        referred = re.findall(r'type="vim25:(\w+)"', etree.tostring(element).decode())
        is_request = element.tag == _XSD + "complexType" or not str(element.get("name")).endswith(
            ("Response", "Fault")
        )
        if is_request or not set(referred) <= official_names():
            ours.remove(element)
    ours.append(etree.fromstring(_FETCH))
    return etree.XMLSchema(etree.fromstring(etree.tostring(ours)))


def problems(envelope: bytes) -> list[str]:
    """What the official schema finds wrong with a response; empty if nothing.

    Methods that are newer than the schema are passed over.
    """
    root = etree.fromstring(envelope)
    body = root.find(_SOAP + "Body")
    assert body is not None
    assert len(body) == 1
    message = body[0]
    if message.tag == _SOAP + "Fault":
        detail = message.find("detail")
        assert detail is not None
        assert len(detail) == 1
        message = detail[0]
    document = etree.fromstring(etree.tostring(message))
    schema = response_schema()
    if schema.validate(document):
        return []
    errors = [str(error.message) for error in schema.error_log]
    return [error for error in errors if "No matching global" not in error]
