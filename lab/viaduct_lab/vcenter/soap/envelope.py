"""Response envelopes."""

from __future__ import annotations

from typing import Any

from viaduct_lab.vcenter.soap.serialize import Serializer, escape

_HEAD = (
    '<?xml version="1.0" encoding="UTF-8"?>\n<soapenv:Envelope '
    'xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/" '
    'xmlns:soapenc="http://schemas.xmlsoap.org/soap/encoding/" '
    'xmlns:xsd="http://www.w3.org/2001/XMLSchema" '
    'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">\n<soapenv:Body>\n'
)
_TAIL = "\n</soapenv:Body>\n</soapenv:Envelope>"


def response(method: str, content: str) -> bytes:
    """The response to ``method`` with ``content`` (its ``returnval`` elements)."""
    return f'{_HEAD}<{method}Response xmlns="urn:vim25">{content}</{method}Response>{_TAIL}'.encode()


def fault(raised: Any, serializer: Serializer) -> bytes:
    """A SOAP fault that carries the pyVmomi fault ``raised``."""
    text = escape(raised.msg or raised.__class__._wsdlName)
    return (
        f"{_HEAD}<soapenv:Fault><faultcode>ServerFaultCode</faultcode>"
        f"<faultstring>{text}</faultstring><detail>{serializer.fault_detail(raised)}</detail>"
        f"</soapenv:Fault>{_TAIL}"
    ).encode()
