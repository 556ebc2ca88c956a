"""The service description, compared with the official files where there are any."""

from __future__ import annotations

import http.client
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from lxml import etree
from official_schema import official_folder

from vcenter_server import start_vcenter
from viaduct_lab.config import COMPLETE, PROVIDED
from viaduct_lab.vcenter.core.kinds import all_kinds, discover
from viaduct_lab.vcenter.core.types import support
from viaduct_lab.vcenter.wsdl.service import documents

XSD = "{http://www.w3.org/2001/XMLSchema}"
WSDL = "{http://schemas.xmlsoap.org/wsdl/}"
SCHEMAS = ("core-types.xsd", "query-types.xsd", "vim-types.xsd", "vim-messagetypes.xsd")


@pytest.fixture(scope="module", autouse=True)
def _kinds() -> None:
    """What is provided follows from the registered kinds."""
    discover()


def definitions(root: Any) -> dict[str, tuple[Any, ...]]:
    """Name -> (base, elements) of complex types, and -> values of simple types."""
    found: dict[str, tuple[Any, ...]] = {}
    for node in root:
        extension = node.find(f"{XSD}complexContent/{XSD}extension")
        sequence = (extension if extension is not None else node).find(f"{XSD}sequence")
        base = extension.get("base") if extension is not None else None
        if node.tag == f"{XSD}complexType":
            elements = tuple(
                (e.get("name"), e.get("type"), e.get("minOccurs", "1"), e.get("maxOccurs", "1"))
                for e in (sequence if sequence is not None else ())
            )
            found[node.get("name")] = (base, elements)
        elif node.tag == f"{XSD}simpleType":
            found[node.get("name")] = tuple(e.get("value") for e in node.iter(f"{XSD}enumeration"))
    return found


NOT_OURS = {"ArrayOfUri", "ArrayOfvslmInfrastructureObjectPolicy"}
"""Official arrays that nothing refers to."""


def is_compatible(official: tuple[Any, ...], ours: tuple[Any, ...]) -> bool:
    """Whether ours, of a later 8.0 release, only adds: optional elements, values, or optionality."""
    if not official or (isinstance(official[0], str) and not isinstance(official[-1], tuple)):
        return set(official) <= set(ours)
    if official[0] != ours[0]:
        return False
    relaxed = {(name, kind, "0", most) for name, kind, _, most in official[1]}
    new = set(ours[1]) - set(official[1])
    kept = {element[0] for element in official[1]} <= {element[0] for element in ours[1]}
    return kept and all(element in relaxed or element[2] == "0" for element in new)


@pytest.mark.parametrize("name", ["core-types.xsd", "query-types.xsd", "vim-types.xsd"])
def test_types_are_those_of_the_official_schema(name: str) -> None:
    official = definitions(etree.parse(official_folder() / name).getroot())
    ours = definitions(etree.fromstring(documents(COMPLETE)[name]))
    assert official.keys() - ours.keys() <= NOT_OURS
    common = official.keys() & ours.keys()
    assert [each for each in common if not is_compatible(official[each], ours[each])] == []
    assert sum(official[each] == ours[each] for each in common) >= 0.97 * len(common)


@pytest.mark.parametrize("which", [PROVIDED, COMPLETE])
def test_the_description_compiles(which: str) -> None:
    """And so whatever it refers to is in it."""

    class Resolver(etree.Resolver):
        def resolve(self, url: str, public: str, context: Any) -> Any:
            return self.resolve_string(documents(which)[url.rsplit("/", 1)[-1]], context)

    parser = etree.XMLParser()
    parser.resolvers.add(Resolver())
    root = etree.fromstring(documents(which)["vim-messagetypes.xsd"], parser)
    etree.XMLSchema(root)


def operations(which: str) -> set[str]:
    """The operations of the port type."""
    root = etree.fromstring(documents(which)["vim.wsdl"])
    return {str(node.get("name")) for node in root.findall(f"{WSDL}portType/{WSDL}operation")}


def elements(which: str) -> dict[str, bytes]:
    """Everything that is defined, by kind and name, as text."""
    found = {}
    for name in SCHEMAS:
        for node in etree.fromstring(documents(which)[name]):
            found[f"{node.tag}:{node.get('name')}"] = etree.tostring(node).strip()
    return found


def test_what_is_provided_is_what_is_implemented() -> None:
    implemented = {name for kind in all_kinds() for name in kind.soap_handlers} - {"Fetch"}
    assert implemented <= operations(COMPLETE), "handlers that no client can call"
    assert operations(PROVIDED) == implemented


def test_what_is_provided_is_described_as_in_the_complete_description() -> None:
    part, whole = elements(PROVIDED), elements(COMPLETE)
    assert all(whole.get(name) == text for name, text in part.items())
    assert len(part) < 0.6 * len(whole)


def test_no_subtype_is_missing_from_what_is_provided() -> None:
    """Wherever a type is declared, a subtype may stand, in either direction."""
    part, whole = elements(PROVIDED), elements(COMPLETE)
    for name, text in whole.items():
        base = re.search(rb'<extension base="vim25:(\w+)"', text)
        if base is None or base[1] == b"DynamicData" or name in part:
            continue
        assert f"{XSD}complexType:{base[1].decode()}" not in part, name


@pytest.mark.parametrize(
    "name",
    [
        # Made by upstream drivers with factory.create, or seen as xsi:type.
        "VirtualLsiLogicController", "ParaVirtualSCSIController", "VirtualVmxnet3", "VirtualE1000",
        "VirtualDiskFlatVer2BackingInfo", "VirtualEthernetCardDistributedVirtualPortBackingInfo",
        "VirtualMachineDefinedProfileSpec", "ClusterAffinityRuleSpec", "ClusterConfigSpecEx",
        "FolderFileQuery", "VmDiskFileQuery", "FileBackedVirtualDiskSpec", "OptionValue",
        "SessionManagerHttpServiceRequestSpec", "TraversalSpec", "Extension", "VirtualMachineCloneSpec",
        "NoPermission", "VimFault", "InvalidPowerState", "VmPoweredOnEvent",
        "ArrayOfVirtualDevice", "ArrayOfManagedObjectReference", "ArrayOfOptionValue",
        "ArrayOfHostDatastoreBrowserSearchResults", "ArrayOfString", "ArrayOfHostHostBusAdapter",
    ],
)  # fmt: skip
def test_types_that_drivers_use_are_provided(name: str) -> None:
    part = elements(PROVIDED)
    assert f"{XSD}complexType:{name}" in part


def test_arrays_of_every_property_are_provided() -> None:
    """A property that holds several values comes as ``xsi:type="ArrayOf…"``."""
    part = elements(PROVIDED)
    for kind in all_kinds():
        for info in kind.vim_type._GetPropertyList():
            item = info.type.Item if issubclass(info.type, list) else None
            if item is not None and issubclass(item, support.DataObject):
                name = item._wsdlName
                here = f"{XSD}complexType:{name}" in part
                assert here == (f"{XSD}complexType:ArrayOf{name}" in part), name


@pytest.mark.parametrize(
    "path",
    [
        "/sdk/vimService.wsdl",
        "/sdk/vimService?wsdl",
        "/sdk/vim.wsdl",
        "/sdk/vim-messagetypes.xsd",
        "/sdk/vim-types.xsd",
        "/sdk/core-types.xsd",
        "/sdk/query-types.xsd",
        "/sdk/vimServiceVersions.xml",
        "/sdk/complete/vimService.wsdl",
        "/sdk/complete/vim-types.xsd",
    ],
)
def test_files_are_served(vcenter: Any, path: str) -> None:
    connection = http.client.HTTPSConnection(
        vcenter.host, vcenter.port, context=vcenter.client_context(), timeout=10
    )
    connection.request("GET", path)
    response = connection.getresponse()
    assert response.status == 200
    root = etree.fromstring(response.read())
    assert len(root) > 0
    for missing in ("/sdk/nonsense.wsdl", "/sdk/complete/nonsense.wsdl"):
        connection.request("GET", missing)
        response = connection.getresponse()
        response.read()
        assert response.status == 404
    connection.close()


@pytest.mark.parametrize("which", [PROVIDED, COMPLETE])
def test_the_settings_say_which_one_lies_at_the_usual_place(tmp_path: Path, which: str) -> None:
    with start_vcenter(tmp_path, network="127.0.75", wsdl=which) as server:
        sizes = {}
        for path in ("vim.wsdl", "complete/vim.wsdl"):
            connection = http.client.HTTPSConnection(
                server.host, server.port, context=server.client_context(), timeout=10
            )
            connection.request("GET", f"/sdk/{path}")
            sizes[path] = len(connection.getresponse().read())
            connection.close()
    assert sizes["complete/vim.wsdl"] == len(documents(COMPLETE)["vim.wsdl"])
    assert sizes["vim.wsdl"] == len(documents(which)["vim.wsdl"])


def test_an_unknown_setting_is_refused(vcenter: Any) -> None:
    with pytest.raises(ValueError, match="neither 'provided' nor 'complete'"):
        replace(vcenter.config, wsdl="none")


def test_versions() -> None:
    root = etree.fromstring(documents(PROVIDED)["vimServiceVersions.xml"])
    assert root.findtext("namespace/version") == "8.0.3.0"
    prior = [each.text for each in root.findall("namespace/priorVersions/version")]
    assert prior[0] == "8.0.2.0"
    assert {"6.7", "7.0.3.0"} <= set(prior)
    assert all(each.split(".")[0] in "345678" or each.startswith("2.") for each in prior if each)
