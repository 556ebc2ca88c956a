"""Request messages to pyVmomi objects, by pyVmomi's own deserializer."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any
from xml.parsers.expat import ExpatError, ParserCreate

from pyVmomi import SoapAdapter

from viaduct_lab.vcenter.core import faults
from viaduct_lab.vcenter.core.types import VimType, support, vmodl

_SEPARATOR = SoapAdapter.NS_SEP
_VIM = "urn:vim25"
_INTEGERS = (int, support.long, support.short, support.byte)
_INTEGRAL = re.compile(r"\s*([+-]?\d+)\.0*\s*")


@dataclass(frozen=True)
class Request:
    """A parsed call.

    ``method`` is the registry's description of it; ``args`` has ``_this`` and the parameters.
    """

    name: str
    method: Any
    args: Any
    header: Mapping[str, str] = field(default_factory=dict)


def parse_request(body: bytes) -> Request:
    """The call that ``body``, a SOAP envelope, asks for.

    Raises ``InvalidRequest`` for malformed XML, unknown methods, types or parameters, and missing ones.
    """
    reader = _EnvelopeReader()
    try:
        reader.parser.Parse(body, True)
    except ExpatError as error:
        raise faults.invalid_request(f"The request is not well-formed XML: {error}") from error
    except (AttributeError, KeyError, TypeError, ValueError, IndexError) as error:
        raise faults.invalid_request(
            f"The request does not fit the API: {type(error).__name__}: {error}"
        ) from error
    if reader.method is None or reader.deserializer.result is None:
        raise faults.invalid_request("The request has no method in its SOAP body.")
    args = reader.deserializer.result
    _check_required(reader.method, args)
    return Request(reader.name, reader.method, args, reader.header)


class _Deserializer(SoapAdapter.SoapDeserializer):
    """pyVmomi's deserializer with one leniency.

    Nova sends sizes as ``64.0`` where the API says long. Whether vCenter takes that is not known; the lab
    does, because the unmodified driver must work: an integral decimal is read as an integer.
    """

    def EndElementHandler(self, tag: str) -> None:
        if self.stack and self.stack[-1] in _INTEGERS and "." in self.data:
            match = _INTEGRAL.fullmatch(self.data)
            if match is not None:
                self.data = match.group(1)
        super().EndElementHandler(tag)


class _EnvelopeReader:
    """Finds the method element in ``Envelope > Body`` and hands it to the deserializer."""

    def __init__(self) -> None:
        self.deserializer: Any = _Deserializer(None)
        self.method: Any = None
        self.name = ""
        self.header: dict[str, str] = {}
        self._namespaces: dict[str | None, list[str]] = {}
        self._depth = 0
        self._in_body = False
        self._text = ""
        self.parser: Any = ParserCreate(namespace_separator=_SEPARATOR)
        self.parser.buffer_text = True
        self.parser.StartElementHandler = self._start
        self.parser.EndElementHandler = self._end
        self.parser.CharacterDataHandler = self._characters
        self.parser.StartNamespaceDeclHandler = self._start_namespace
        self.parser.EndNamespaceDeclHandler = self._end_namespace
        self.parser.StartDoctypeDeclHandler = self._doctype

    def _start(self, tag: str, _attributes: dict[str, str]) -> None:
        self._depth += 1
        self._text = ""
        namespace, _, name = tag.rpartition(_SEPARATOR)
        if self._depth == 2:
            self._in_body = name == "Body"
        elif self._depth == 3 and self._in_body and self.method is None:
            self.name = name
            self.method, request_type = request_type_of(namespace or _VIM, name)
            self.deserializer.Deserialize(self.parser, request_type, nsMap=self._namespaces)
            self.deserializer.StartElementHandler(tag, {})
            self._depth -= 1  # the deserializer takes the end tag

    def _end(self, tag: str) -> None:
        if self._depth == 3 and not self._in_body:
            self.header[tag.rpartition(_SEPARATOR)[2]] = self._text.strip()
        self._depth -= 1

    def _characters(self, text: str) -> None:
        self._text += text

    def _start_namespace(self, prefix: str | None, uri: str) -> None:
        self._namespaces.setdefault(prefix, []).append(uri)

    def _end_namespace(self, prefix: str | None) -> None:
        self._namespaces[prefix].pop()

    def _doctype(self, *_: Any) -> None:
        raise faults.invalid_request("A document type declaration is not allowed in a request.")


@cache
def request_type_of(namespace: str, name: str) -> tuple[Any, VimType]:
    """(method description, data type of its request element).

    The type is made up: a data object whose properties are ``_this`` and the method's parameters, so
    that one pass of the deserializer reads a whole call. It is not entered in the registry.
    Raises ``InvalidRequest`` for a method that the API has not.
    """
    if (namespace, name) == (_VIM, "Fetch"):
        method = _fetch_method()
    else:
        try:
            method = support.GetWsdlMethod(namespace, name).info
        except KeyError:
            raise faults.invalid_request(f"Unable to resolve WSDL method name {name}") from None
    this = _field("_this", support.ManagedObject)
    fields = [this, *(_field(p.name, p.type) for p in method.params)]
    members = {
        "_wsdlName": name + "RequestType",
        "_version": support.BASE_VERSION,
        "_propList": fields,
        "_propInfo": {each.name: each for each in fields},
    }
    return method, type(name + "RequestType", (vmodl.DynamicData,), members)


def _field(name: str, vim_type: VimType) -> Any:
    return support.Object(name=name, type=vim_type, version=support.BASE_VERSION, flags=support.F_OPTIONAL)


def _fetch_method() -> Any:
    """``Fetch(prop)``: how pyVmomi reads a property. It is not in the published API."""
    prop = support.Object(name="prop", type=str, version=support.BASE_VERSION, flags=0)
    return support.Object(
        name="Fetch",
        wsdlName="Fetch",
        type=support.ManagedObject,
        version=support.BASE_VERSION,
        params=(prop,),
        result=object,
        resultFlags=support.F_OPTIONAL,
        privId="System.Anonymous",
        faults=[],
        isTask=False,
    )


def _check_required(method: Any, args: Any) -> None:
    if args._this is None:
        raise faults.invalid_request("The request names no managed object (_this).")
    for param in method.params:
        if param.flags & support.F_OPTIONAL:
            continue
        value = getattr(args, param.name)
        if value is None or (isinstance(value, list) and not value):
            raise faults.invalid_request(
                f"Required parameter {param.name} is missing while parsing call information for "
                f"method {method.wsdlName}"
            )
