"""The service description, compared with the official files where there are any."""

from __future__ import annotations

import http.client
from typing import Any

import pytest
from lxml import etree
from official_schema import official_folder

from viaduct_lab.vcenter.wsdl.service import documents

XSD = "{http://www.w3.org/2001/XMLSchema}"


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
    ours = definitions(etree.fromstring(documents()[name]))
    assert official.keys() - ours.keys() <= NOT_OURS
    common = official.keys() & ours.keys()
    assert [each for each in common if not is_compatible(official[each], ours[each])] == []
    assert sum(official[each] == ours[each] for each in common) >= 0.97 * len(common)


def test_the_description_compiles() -> None:
    class Resolver(etree.Resolver):
        def resolve(self, url: str, public: str, context: Any) -> Any:
            return self.resolve_string(documents()[url.rsplit("/", 1)[-1]], context)

    parser = etree.XMLParser()
    parser.resolvers.add(Resolver())
    root = etree.fromstring(documents()["vim-messagetypes.xsd"], parser)
    etree.XMLSchema(root)


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
    connection.request("GET", "/sdk/nonsense.wsdl")
    assert connection.getresponse().status == 404
    connection.close()


def test_versions() -> None:
    root = etree.fromstring(documents()["vimServiceVersions.xml"])
    assert root.findtext("namespace/version") == "8.0.3.0"
    prior = [each.text for each in root.findall("namespace/priorVersions/version")]
    assert prior[0] == "8.0.2.0"
    assert {"6.7", "7.0.3.0"} <= set(prior)
    assert all(each.split(".")[0] in "345678" or each.startswith("2.") for each in prior if each)
