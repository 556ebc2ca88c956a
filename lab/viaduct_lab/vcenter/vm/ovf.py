"""Reading OVF descriptors (DMTF DSP0243 1.x) of single virtual machines."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator
from dataclasses import dataclass, field
from xml.etree.ElementTree import Element

_LIMIT = 4 << 20
_UNITS = re.compile(r"byte\s*\*\s*2\^(\d+)")
_NAMED_UNITS = {"": 1, "byte": 1, "kilobytes": 1 << 10, "megabytes": 1 << 20, "gigabytes": 1 << 30}


class OvfError(Exception):
    """The descriptor cannot be used; the text says why."""


@dataclass(frozen=True)
class OvfDisk:
    """A disk of the descriptor: ``file`` is the name to upload (None: an empty disk); bytes."""

    ident: str
    capacity: int
    file: str | None
    size: int | None


@dataclass(frozen=True)
class Item:
    """A piece of virtual hardware (RASD): ``kind`` is its ResourceType."""

    kind: int
    ident: str
    name: str
    subtype: str
    parent: str | None
    slot: int | None
    quantity: int
    host_resource: str
    connection: str
    units: str


@dataclass(frozen=True)
class Property:
    """A property that the user may set."""

    ident: str
    kind: str
    value: str
    label: str
    configurable: bool


@dataclass(frozen=True)
class Descriptor:
    """What a descriptor says of its one virtual machine."""

    name: str
    guest_id: str
    annotation: str
    product: str
    version: str
    hardware_version: str
    disks: dict[str, OvfDisk]
    networks: tuple[str, ...]
    items: tuple[Item, ...]
    properties: tuple[Property, ...] = ()
    config: dict[str, str] = field(default_factory=dict)


def _local(tag: str) -> str:
    return tag.rpartition("}")[2]


def _children(element: Element, name: str) -> Iterator[Element]:
    return (child for child in element if _local(child.tag) == name)


def _child(element: Element, name: str) -> Element | None:
    return next(_children(element, name), None)


def _text(element: Element | None, name: str) -> str:
    found = _child(element, name) if element is not None else None
    return (found.text or "").strip() if found is not None else ""


def _attribute(element: Element, name: str) -> str:
    return next((value for key, value in element.attrib.items() if _local(key) == name), "")


def parse(text: str) -> Descriptor:
    """Read a descriptor. Raises :class:`OvfError`."""
    if len(text) > _LIMIT or "<!DOCTYPE" in text or "<!ENTITY" in text:
        raise OvfError("The descriptor is too long or defines entities.")
    try:
        envelope = ElementTree.fromstring(text)  # noqa: S314 - entities are refused above
    except ElementTree.ParseError as error:
        raise OvfError(f"The descriptor is not well-formed XML: {error}") from error
    system = _child(envelope, "VirtualSystem")
    if system is None:
        raise OvfError("The descriptor holds no single VirtualSystem.")
    hardware = _child(system, "VirtualHardwareSection")
    if hardware is None:
        raise OvfError("The virtual machine has no VirtualHardwareSection.")
    product = _child(system, "ProductSection")
    operating = _child(system, "OperatingSystemSection")
    networks = _child(envelope, "NetworkSection")
    return Descriptor(
        name=_text(system, "Name") or _attribute(system, "id"),
        guest_id=_attribute(operating, "osType") if operating is not None else "",
        annotation=_text(_child(system, "AnnotationSection"), "Annotation"),
        product=_text(product, "Product"),
        version=_text(product, "Version"),
        hardware_version=_text(_child(hardware, "System"), "VirtualSystemType").partition(" ")[0],
        disks=_disks(envelope),
        networks=tuple(
            _attribute(n, "name") for n in (_children(networks, "Network") if networks is not None else ())
        ),
        items=tuple(_item(element) for element in hardware if _local(element.tag).endswith("Item")),
        properties=tuple(_properties(system)),
        config={_attribute(c, "key"): _attribute(c, "value") for c in _children(hardware, "Config")},
    )


def _disks(envelope: Element) -> dict[str, OvfDisk]:
    references, section = _child(envelope, "References"), _child(envelope, "DiskSection")
    files: dict[str, tuple[str | None, int | None]] = {}
    for element in _children(references, "File") if references is not None else ():
        length = _attribute(element, "size")
        files[_attribute(element, "id")] = (_attribute(element, "href"), int(length) if length else None)
    disks = {}
    for element in _children(section, "Disk") if section is not None else ():
        reference = _attribute(element, "fileRef")
        if reference and reference not in files:
            raise OvfError(f"Disk refers to the file {reference!r}, which is not there.")
        name, size = files.get(reference, (None, None))
        ident = _attribute(element, "diskId")
        disks[ident] = OvfDisk(ident, _capacity(element), name, size)
    return disks


def _capacity(element: Element) -> int:
    unit = _attribute(element, "capacityAllocationUnits").strip().lower()
    power = _UNITS.fullmatch(unit)
    factor = 1 << int(power[1]) if power is not None else _NAMED_UNITS.get(unit)
    number = _attribute(element, "capacity")
    if factor is None or not number.isdigit():
        raise OvfError(f"The capacity {number!r} {unit!r} is not understood.")
    return int(number) * factor


def _item(element: Element) -> Item:
    slot, quantity = _text(element, "AddressOnParent"), _text(element, "VirtualQuantity")
    return Item(
        kind=int(_text(element, "ResourceType") or 0),
        ident=_text(element, "InstanceID"),
        name=_text(element, "ElementName"),
        subtype=_text(element, "ResourceSubType").lower(),
        parent=_text(element, "Parent") or None,
        slot=int(slot) if slot.isdigit() else None,
        quantity=int(quantity) if quantity.isdigit() else 1,
        host_resource=_text(element, "HostResource"),
        connection=_text(element, "Connection"),
        units=_text(element, "AllocationUnits").lower(),
    )


def _properties(system: Element) -> Iterator[Property]:
    for section in _children(system, "ProductSection"):
        prefix, suffix = _attribute(section, "class"), _attribute(section, "instance")
        for element in _children(section, "Property"):
            parts = (prefix, _attribute(element, "key"), suffix)
            yield Property(
                ident=".".join(part for part in parts if part),
                kind=_attribute(element, "type") or "string",
                value=_attribute(element, "value"),
                label=_text(element, "Label"),
                configurable=_attribute(element, "userConfigurable").lower() == "true",
            )
