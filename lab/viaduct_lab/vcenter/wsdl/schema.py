"""The types of the registry as XML schema text."""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator
from typing import Any

from viaduct_lab.vcenter.core.content import known
from viaduct_lab.vcenter.core.property_paths import load_all_types
from viaduct_lab.vcenter.core.types import VimType, support, vmodl
from viaduct_lab.vcenter.soap.serialize import XSD_NAMES

NAMESPACE = "urn:vim25"

METHOD_FAULT: Any = support.GetVmodlType("vmodl.MethodFault")
LOCALIZED_FAULT: Any = support.GetVmodlType("vmodl.LocalizedMethodFault")
_BUILT_IN_ARRAYS = (
    ("AnyURI", "anyURI"),
    ("Base64Binary", "base64Binary"),
    ("Boolean", "boolean"),
    ("Byte", "byte"),
    ("DateTime", "dateTime"),
    ("Double", "double"),
    ("Float", "float"),
    ("Int", "int"),
    ("Long", "long"),
    ("Short", "short"),
    ("String", "string"),
    ("AnyType", "anyType"),
)
HEAD = (
    '<?xml version="1.0" encoding="UTF-8"?>\n'
    f'<schema targetNamespace="{NAMESPACE}" xmlns="http://www.w3.org/2001/XMLSchema" '
    f'xmlns:vim25="{NAMESPACE}" xmlns:xsd="http://www.w3.org/2001/XMLSchema" '
    'elementFormDefault="qualified">\n'
)
TAIL = "</schema>\n"


def all_types() -> list[VimType]:
    """The data and enumeration types of our API version in namespace ``urn:vim25``, by name."""
    load_all_types()
    found = {}
    for name in (*support.ListDataTypes(), *support.ListEnumTypes()):
        vim_type = support.GetVmodlType(name)
        if vim_type is support.DataObject:
            continue
        if support.GetWsdlNamespace(vim_type._version) == NAMESPACE and known(vim_type._version):
            found[vim_type._wsdlName] = vim_type
    return [found[name] for name in sorted(found)]


def type_name(vim_type: VimType, *, bare_fault: bool = False) -> str:
    """The qualified name by which an element refers to ``vim_type``."""
    if vim_type in XSD_NAMES:
        return "xsd:" + XSD_NAMES[vim_type]
    if issubclass(vim_type, support.ManagedObject):
        return "vim25:ManagedObjectReference"
    if vim_type is METHOD_FAULT and not bare_fault:
        return "vim25:LocalizedMethodFault"
    return f"vim25:{vim_type._wsdlName}"


def element(name: str, vim_type: VimType, *, optional: bool, bare_fault: bool = False) -> str:
    """An ``element`` of a sequence."""
    many = issubclass(vim_type, list)
    item = vim_type.Item if many else vim_type
    occurs = (' minOccurs="0"' if optional else "") + (' maxOccurs="unbounded"' if many else "")
    return f'<element name="{name}" type="{type_name(item, bare_fault=bare_fault)}"{occurs}/>'


def core_schema(types: Iterable[VimType], arrays: Container[VimType]) -> str:
    """``core-types.xsd``: what the other schemas build on. ``arrays``: the types that have an ``ArrayOf…``."""
    reference = (
        '<complexType name="ManagedObjectReference"><simpleContent>'
        '<extension base="xsd:string"><attribute name="type" type="xsd:string"/>'
        '<attribute name="serverGuid" type="xsd:string"/></extension></simpleContent>'
        "</complexType>"
    )
    built_in = [_array("ManagedObjectReference", "vim25:ManagedObjectReference")]
    for name, xsd_name in _BUILT_IN_ARRAYS:
        built_in.append(_array(name, f"xsd:{xsd_name}", xsd_name))
    parts = [reference, *built_in, *_definitions(filter(_is_core, types), arrays)]
    return HEAD + "\n".join(parts) + TAIL


def query_schema(types: Iterable[VimType], arrays: Container[VimType]) -> str:
    """``query-types.xsd``: the property collector's types."""
    include = '<include schemaLocation="core-types.xsd"/>'
    return HEAD + "\n".join([include, *_definitions(filter(_is_query, types), arrays)]) + TAIL


def vim_schema(types: Iterable[VimType], arrays: Container[VimType]) -> str:
    """``vim-types.xsd``: all other types."""
    rest = [t for t in types if not _is_core(t) and not _is_query(t)]
    includes = [
        '<include schemaLocation="core-types.xsd"/>',
        '<include schemaLocation="query-types.xsd"/>',
    ]
    return HEAD + "\n".join([*includes, *_definitions(rest, arrays)]) + TAIL


def _is_query(vim_type: VimType) -> bool:
    return bool(vim_type.__name__.startswith("vmodl.query."))


def _is_core(vim_type: VimType) -> bool:
    name: str = vim_type.__name__
    return name.startswith("vmodl.") and not _is_query(vim_type)


def _definitions(types: Iterable[VimType], arrays: Container[VimType]) -> Iterator[str]:
    for vim_type in types:
        name = vim_type._wsdlName
        yield _definition(vim_type) + (_array(name, f"vim25:{name}") if vim_type in arrays else "")


def _definition(vim_type: VimType) -> str:
    name = vim_type._wsdlName
    if issubclass(vim_type, support.Enum):
        values = "".join(f'<enumeration value="{value}"/>' for value in vim_type.values)
        return f'<simpleType name="{name}"><restriction base="xsd:string">{values}</restriction></simpleType>'
    return f'<complexType name="{name}">{_content(vim_type)}</complexType>'


def _content(vim_type: VimType) -> str:
    is_localized = vim_type is LOCALIZED_FAULT
    elements = "".join(
        element(
            info.name,
            info.type,
            optional=bool(info.flags & support.F_OPTIONAL),
            bare_fault=is_localized,
        )
        for info in _own_properties(vim_type)
    )
    sequence = f"<sequence>{elements}</sequence>"
    if vim_type in (vmodl.DynamicData, METHOD_FAULT) or vim_type._wsdlName in (
        "DynamicProperty",
        "DynamicArray",
    ):
        return sequence
    base = vim_type.__bases__[0]
    if base is support.DataObject or is_localized:
        base = vmodl.DynamicData
    return f'<complexContent><extension base="vim25:{base._wsdlName}">{sequence}</extension></complexContent>'


def _own_properties(vim_type: VimType) -> list[Any]:
    if vim_type is vmodl.DynamicData:
        return []
    return [
        info
        for info in vim_type._propList
        if known(info.version) and not (vim_type is METHOD_FAULT and info.name == "msg")
    ]


def _array(name: str, item: str, tag: str | None = None) -> str:
    array_name = "ArrayOf" + name[0].upper() + name[1:]
    return (
        f'<complexType name="{array_name}"><sequence><element name="{tag or name}" '
        f'type="{item}" minOccurs="0" maxOccurs="unbounded"/></sequence></complexType>'
    )
