"""pyVmomi values to XML: one encoder per declared type, built once and kept."""

from __future__ import annotations

import base64
import re
from collections.abc import Callable
from datetime import datetime
from functools import cache
from typing import Any

from pyVmomi import Iso8601

from viaduct_lab.vcenter.core.types import API_VERSION, VimType, support

Encoder = Callable[[list[str], str, Any], None]
"""Appends ``<tag>value</tag>`` to a list of text pieces."""

ManagedObject: Any = support.ManagedObject
DataObject: Any = support.DataObject
Enum: Any = support.Enum
MethodFault: Any = support.GetVmodlType("vmodl.MethodFault")
LocalizedMethodFault: Any = support.GetVmodlType("vmodl.LocalizedMethodFault")

XSD_NAMES: dict[VimType, str] = {
    bool: "boolean",
    support.byte: "byte",
    support.short: "short",
    int: "int",
    support.long: "long",
    float: "float",
    support.double: "double",
    str: "string",
    support.Link: "string",
    datetime: "dateTime",
    support.binary: "base64Binary",
    bytes: "base64Binary",
    support.URI: "anyURI",
    support.PropertyPath: "string",
    support.ManagedMethod: "string",
    type: "string",
    object: "anyType",
}
"""Types of the registry that are built into XML Schema, by their name there."""

_SPECIAL = re.compile("[&<>\r\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
_ENTITIES = {"&": "&amp;", "<": "&lt;", ">": "&gt;", "\r": "&#13;"}


def escape(text: str) -> str:
    """``text`` as XML character data; characters that XML cannot hold become U+FFFD."""
    if _SPECIAL.search(text) is None:
        return text
    return _SPECIAL.sub(lambda match: _ENTITIES.get(match.group(), "\ufffd"), text)


def simple_text(value: Any) -> str:
    """A value of a simple type in its XML form. Raises ``TypeError`` for anything else."""
    if isinstance(value, str):
        return escape(value)
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return str(value)
    if isinstance(value, datetime):
        text: str = Iso8601.ISO8601Format(value)
        return text
    if isinstance(value, bytes | bytearray):
        return base64.b64encode(value).decode()
    if isinstance(value, support.ManagedMethod):
        return escape(value.info.wsdlName)
    if isinstance(value, type):
        return escape(support.GetWsdlName(value))
    raise TypeError(f"{type(value).__name__} has no XML form")


def array_names(item: VimType) -> tuple[str, str]:
    """(element tag, xsi:type) of an array of ``item`` as an anyType: ``string``, ``ArrayOfString``."""
    if isinstance(item, type) and issubclass(item, ManagedObject):
        tag = "ManagedObjectReference"
    else:
        tag = XSD_NAMES.get(item) or item._wsdlName
    return tag, "ArrayOf" + tag[0].upper() + tag[1:]


class Serializer:
    """Writes values for clients of one API version: newer types and properties are left out."""

    def __init__(self, version: str) -> None:
        """``version``: pyVmomi's name of it, e.g. ``vim.version.v8_0_3_0``."""
        self.version = version
        self._fields: dict[VimType, tuple[tuple[str, bool, Encoder], ...]] = {}
        self._encoders: dict[VimType, Encoder] = {}
        self._wire: dict[VimType, VimType] = {}

    # entry points ---------------------------------------------------------------------------

    def any_value(self, tag: str, value: Any, declared: VimType = None) -> str:
        """``value`` as an anyType element: it says its ``xsi:type``.

        ``declared`` is its declared type; it decides about numbers and plain lists. Raises ``TypeError`` for
        an untyped list without it.
        """
        out: list[str] = []
        self._any(out, tag, value, declared)
        return "".join(out)

    def result(self, value: Any, declared: VimType, tag: str = "returnval") -> str:
        """A method's result of type ``declared`` as zero or more elements."""
        if value is None:
            return ""
        out: list[str] = []
        if isinstance(declared, type) and issubclass(declared, list):
            encode = self.encoder(declared.Item)  # type: ignore[attr-defined]
            for item in value:
                encode(out, tag, item)
        else:
            self.encoder(declared)(out, tag, value)
        return "".join(out)

    def fault_detail(self, fault: Any) -> str:
        """The child of a SOAP fault's ``detail``: ``<XFault xsi:type="X">``."""
        name = self.wire_type(fault.__class__)._wsdlName
        out = [f'<{name}Fault xmlns="urn:vim25" xsi:type="{name}">']
        self._body(out, fault)
        out.append(f"</{name}Fault>")
        return "".join(out)

    # encoders -------------------------------------------------------------------------------

    def encoder(self, declared: VimType) -> Encoder:
        """The encoder of elements of type ``declared``."""
        found = self._encoders.get(declared)
        if found is None:
            found = self._encoders[declared] = self._make_encoder(declared)
        return found

    def _make_encoder(self, declared: VimType) -> Encoder:
        if declared is object:
            return self._any
        if declared is bool:
            return _encode_bool
        if declared in XSD_NAMES or issubclass(declared, Enum):
            return _encode_simple
        if issubclass(declared, ManagedObject):
            return _encode_reference
        if issubclass(declared, MethodFault):
            return self._encode_localized

        def encode(out: list[str], tag: str, value: Any) -> None:
            cls = self.wire_type(value.__class__)
            if cls is declared:
                out.append(f"<{tag}>")
            else:
                out.append(f'<{tag} xsi:type="{cls._wsdlName}">')
            self._body(out, value)
            out.append(f"</{tag}>")

        return encode

    def wire_type(self, cls: VimType) -> VimType:
        """``cls``, or its nearest ancestor that this API version knows."""
        found = self._wire.get(cls)
        if found is None:
            found = self._wire[cls] = support.GetCompatibleType(cls, self.version)
        return found

    def _body(self, out: list[str], value: Any) -> None:
        cls = value.__class__
        fields = self._fields.get(cls)
        if fields is None:
            fields = self._fields[cls] = self._make_fields(cls)
        values = value.__dict__
        for name, many, encode in fields:
            item = values.get(name)
            if item is None:
                continue
            if many:
                for each in item:
                    encode(out, name, each)
            else:
                encode(out, name, item)

    def _make_fields(self, cls: VimType) -> tuple[tuple[str, bool, Encoder], ...]:
        fields: list[tuple[str, bool, Encoder]] = []
        for info in self.wire_type(cls)._GetPropertyList():
            if not support.IsChildVersion(self.version, info.version):
                continue
            if info.name == "msg" and issubclass(cls, MethodFault):
                continue
            if info.name == "fault" and issubclass(cls, LocalizedMethodFault):
                fields.append((info.name, False, self._encode_bare_fault))
                continue
            many = issubclass(info.type, list)
            fields.append((info.name, many, self.encoder(info.type.Item if many else info.type)))
        return tuple(fields)

    def _encode_localized(self, out: list[str], tag: str, fault: Any, attributes: str = "") -> None:
        out.append(f"<{tag}{attributes}>")
        self._encode_bare_fault(out, "fault", fault)
        message = escape(fault.msg or "")
        out.append(f"<localizedMessage>{message}</localizedMessage></{tag}>")

    def _encode_bare_fault(self, out: list[str], tag: str, fault: Any) -> None:
        out.append(f'<{tag} xsi:type="{self.wire_type(fault.__class__)._wsdlName}">')
        self._body(out, fault)
        out.append(f"</{tag}>")

    def _any(self, out: list[str], tag: str, value: Any, declared: VimType = None) -> None:
        if isinstance(value, MethodFault):
            self._encode_localized(out, tag, value, ' xsi:type="LocalizedMethodFault"')
        elif isinstance(value, DataObject):
            out.append(f'<{tag} xsi:type="{self.wire_type(value.__class__)._wsdlName}">')
            self._body(out, value)
            out.append(f"</{tag}>")
        elif isinstance(value, ManagedObject):
            _encode_reference(out, tag, value, ' xsi:type="ManagedObjectReference"')
        elif isinstance(value, list):
            self._any_list(out, tag, value, declared)
        else:
            name = _xsi_name(value, declared)
            out.append(f'<{tag} xsi:type="{name}">{simple_text(value)}</{tag}>')

    def _any_list(self, out: list[str], tag: str, value: Any, declared: VimType) -> None:
        array = declared if isinstance(declared, type) and issubclass(declared, list) else None
        item = getattr(array, "Item", None) or getattr(value, "Item", None)
        if item is None:
            raise TypeError(f"{tag}: an untyped list has no XML form")
        item_tag, type_name = array_names(item)
        out.append(f'<{tag} xsi:type="{type_name}">')
        encode = self.encoder(item)
        for each in value:
            encode(out, item_tag, each)
        out.append(f"</{tag}>")


def _encode_bool(out: list[str], tag: str, value: Any) -> None:
    out.append(f"<{tag}>true</{tag}>" if value else f"<{tag}>false</{tag}>")


def _encode_simple(out: list[str], tag: str, value: Any) -> None:
    out.append(f"<{tag}>{simple_text(value)}</{tag}>")


def _encode_reference(out: list[str], tag: str, value: Any, attributes: str = "") -> None:
    type_name = value.__class__._wsdlName
    out.append(f'<{tag}{attributes} type="{type_name}">{escape(value._moId)}</{tag}>')


def _xsi_name(value: Any, declared: VimType) -> str:
    for cls in (declared, value.__class__):
        if cls is None or cls is object:
            continue
        if cls in XSD_NAMES:
            return "xsd:" + XSD_NAMES[cls]
        if isinstance(cls, type) and issubclass(cls, Enum):
            name: str = cls._wsdlName  # type: ignore[attr-defined]
            return name
    if isinstance(value, type | support.ManagedMethod):
        return "xsd:string"
    raise TypeError(f"{value.__class__.__name__} has no XML type")


@cache
def _versions() -> dict[str, str]:
    return {support.versionIdMap[v]: v for v in support.GetServiceVersions("vim25")}


@cache
def serializer_for(api_version: str) -> Serializer:
    """The serializer for clients of an API version such as ``8.0.3.0``.

    Versions that are unknown or newer than ours get ours.
    """
    ours = _versions()[API_VERSION]
    version = _versions().get(api_version)
    if version is None or not support.IsChildVersion(ours, version):
        return serializer_for(API_VERSION) if api_version != API_VERSION else Serializer(ours)
    return Serializer(version)
