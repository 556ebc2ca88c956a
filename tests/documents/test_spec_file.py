"""Cloud specs: export, import, and mistakes."""

from __future__ import annotations

from pathlib import Path

import pytest

import fakes
from viaduct.documents.spec import dump_spec, load_spec
from viaduct.errors import SpecError
from viaduct.planning.request import SpecRequest
from viaduct.planning.spec import complete

OPTIONS = {"nova.conf": {"DEFAULT": {"debug": "true", "workers": "2"}}}


def test_exported_spec_deploys_the_same_cloud(tmp_path: Path) -> None:
    spec = complete(SpecRequest(name="c1", options=OPTIONS), fakes.site())
    path = tmp_path / "spec.yaml"
    path.write_text(dump_spec(spec))
    assert complete(load_spec(path), fakes.site()) == spec


def test_portable_spec_holds_no_address(tmp_path: Path) -> None:
    text = dump_spec(complete(SpecRequest(name="c1"), fakes.site()), portable=True)
    assert "10.70" not in text
    path = tmp_path / "spec.yaml"
    path.write_text(text)
    assert load_spec(path).nodes[0].management_address is None


def test_short_spec_and_plain_values(tmp_path: Path) -> None:
    path = tmp_path / "spec.yaml"
    path.write_text("name: c2\noptions: {nova.conf: {DEFAULT: {debug: true, workers: 2}}}\n")
    request = load_spec(path)
    assert request.name == "c2"
    assert request.options == OPTIONS


@pytest.mark.parametrize(
    ("text", "field", "remedy"),
    [
        ("mod: tiny", "mod", "Did you mean 'mode'?"),
        ("name: Bad_Name", "name", "lower-case letters"),
        ("nodes: [{name: node1, cpu: 2}]", "nodes[0].cpu", "'cpus'"),
        ("nodes: [{name: node1, memory_mb: 100}]", "nodes[0].memory_mb", "at least 2048"),
        ("addresses: {public: 10.0.0.300}", "addresses.public", "IPv4 address"),
        ("options: {nova.conf: {DEFAULT: {debug: [1]}}}", "options.nova.conf.DEFAULT.debug", "Write text"),
    ],
)
def test_mistake(tmp_path: Path, text: str, field: str, remedy: str) -> None:
    path = tmp_path / "spec.yaml"
    path.write_text(text)
    with pytest.raises(SpecError) as caught:
        load_spec(path)
    assert caught.value.sentence.startswith(f"{path}: {field}: "), caught.value.sentence
    assert remedy in caught.value.remedy


def test_node_given_twice(tmp_path: Path) -> None:
    path = tmp_path / "spec.yaml"
    path.write_text("nodes: [{name: node1}, {name: node1}]")
    with pytest.raises(SpecError, match="2 problems"):
        load_spec(path)
