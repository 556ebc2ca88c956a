"""The service description: messages, operations, and the list of versions."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

from viaduct_lab.config import COMPLETE, PROVIDED
from viaduct_lab.vcenter.core.content import known
from viaduct_lab.vcenter.core.types import API_VERSION, VimType, support
from viaduct_lab.vcenter.wsdl import schema, scope

_SCOPES = {PROVIDED: scope.provided, COMPLETE: scope.complete}
_WSDL = "http://schemas.xmlsoap.org/wsdl/"
_SOAP = "http://schemas.xmlsoap.org/wsdl/soap/"


@cache
def documents(which: str) -> dict[str, bytes]:
    """All files of the description by name: the ``complete`` one, or that of what is ``provided``.

    Made once, in about 0.3 s.
    """
    covered = _SCOPES[which]()
    types, methods, arrays = covered.types, covered.methods, covered.arrays
    texts = {
        "vimService.wsdl": _service(),
        "vim.wsdl": _description(methods),
        "vim-messagetypes.xsd": _messages(methods, types),
        "vim-types.xsd": schema.vim_schema(types, arrays),
        "core-types.xsd": schema.core_schema(types, arrays),
        "query-types.xsd": schema.query_schema(types, arrays),
        "vimServiceVersions.xml": _versions(),
    }
    return {name: text.encode() for name, text in texts.items()}


def _request_types(methods: Sequence[Any]) -> dict[str, str]:
    """Method -> name of its request type: ``PowerOnVM_Task`` has ``PowerOnVMRequestType``."""
    names: dict[str, str] = {}
    for method in methods:
        short = method.wsdlName.removesuffix("_Task")
        names[method.wsdlName] = method.wsdlName if short in names.values() else short
    return {method: name + "RequestType" for method, name in names.items()}


def _messages(methods: Sequence[Any], types: Sequence[VimType]) -> str:
    parts = ['<include schemaLocation="vim-types.xsd"/>']
    request_types = _request_types(methods)
    for method in methods:
        parts.append(_message(method, request_types[method.wsdlName]))
    parts += [
        f'<element name="{fault._wsdlName}Fault" type="vim25:{fault._wsdlName}"/>'
        for fault in types
        if issubclass(fault, schema.METHOD_FAULT)
    ]
    return schema.HEAD + "\n".join(parts) + schema.TAIL


def _message(method: Any, request_type: str) -> str:
    params = "".join(
        schema.element(p.name, p.type, optional=bool(p.flags & support.F_OPTIONAL))
        for p in method.params
        if known(p.version)
    )
    result = ""
    if method.result is not type(None):
        many = issubclass(method.result, list)
        optional = many or bool(method.resultFlags & support.F_OPTIONAL)
        result = schema.element("returnval", method.result, optional=optional)
    name = method.wsdlName
    return (
        f'<complexType name="{request_type}"><sequence>'
        f'<element name="_this" type="vim25:ManagedObjectReference"/>{params}</sequence>'
        f'</complexType><element name="{name}" type="vim25:{request_type}"/>'
        f'<element name="{name}Response"><complexType><sequence>{result}</sequence>'
        "</complexType></element>"
    )


def _description(methods: Sequence[Any]) -> str:
    messages, port, binding = [], [], []
    for method in methods:
        name = method.wsdlName
        messages.append(
            f'<message name="{name}RequestMsg"><part name="parameters" element="vim25:{name}"/>'
            f'</message><message name="{name}ResponseMsg">'
            f'<part name="parameters" element="vim25:{name}Response"/></message>'
        )
        port.append(
            f'<operation name="{name}"><input message="vim25:{name}RequestMsg"/>'
            f'<output message="vim25:{name}ResponseMsg"/></operation>'
        )
        binding.append(
            f'<operation name="{name}">'
            f'<soap:operation soapAction="{schema.NAMESPACE}/{API_VERSION}" style="document"/>'
            '<input><soap:body use="literal"/></input><output><soap:body use="literal"/></output>'
            "</operation>"
        )
    return "\n".join(
        [
            '<?xml version="1.0" encoding="UTF-8"?>',
            f'<definitions targetNamespace="{schema.NAMESPACE}" xmlns="{_WSDL}" '
            f'xmlns:soap="{_SOAP}" xmlns:vim25="{schema.NAMESPACE}">',
            f'<types><schema targetNamespace="{schema.NAMESPACE}" '
            'xmlns="http://www.w3.org/2001/XMLSchema" elementFormDefault="qualified">'
            '<include schemaLocation="vim-messagetypes.xsd"/></schema></types>',
            *messages,
            '<portType name="VimPortType">',
            *port,
            '</portType><binding name="VimBinding" type="vim25:VimPortType">'
            '<soap:binding style="document" transport="http://schemas.xmlsoap.org/soap/http"/>',
            *binding,
            "</binding></definitions>",
        ]
    )


def _service() -> str:
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        f'<definitions targetNamespace="{schema.NAMESPACE}Service" xmlns="{_WSDL}" '
        f'xmlns:soap="{_SOAP}" xmlns:vim25="{schema.NAMESPACE}">'
        f'<import location="vim.wsdl" namespace="{schema.NAMESPACE}"/>'
        '<service name="VimService"><port binding="vim25:VimBinding" name="VimPort">'
        '<soap:address location="https://localhost/sdk"/></port></service></definitions>\n'
    )


def _versions() -> str:
    """``vimServiceVersions.xml``: our version and the public ones before it."""
    ours = next(v for v in support.nsMap if _public(v) == API_VERSION)
    prior = {
        name
        for version in support.GetServiceVersions("vim25")
        if (name := _public(version)) and version != ours and support.IsChildVersion(ours, version)
    }
    listed = "".join(f"<version>{name}</version>" for name in sorted(prior, key=_numbers, reverse=True))
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n<namespaces version="1.0">'
        f"<namespace><name>{schema.NAMESPACE}</name><version>{API_VERSION}</version>"
        f"<priorVersions>{listed}</priorVersions></namespace></namespaces>\n"
    )


def _public(version: str) -> str:
    """A version's number; empty for internal ones, which have no number."""
    if support.serviceNsMap[version] != "vim25":
        return ""
    number: str = support.versionIdMap[version]
    return number if number[:1].isdigit() else ""


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int("".join(c for c in part if c.isdigit()) or 0) for part in version.split("."))
