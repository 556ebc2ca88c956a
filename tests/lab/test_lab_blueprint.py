"""From a lab's record to the vCenter's settings and the site file."""

import json
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path

import pytest
import yaml

from viaduct_lab.config import VCenterConfig
from viaduct_lab.lab import blueprint
from viaduct_lab.lab import site as site_file
from viaduct_lab.lab.errors import ImageUnusable
from viaduct_lab.lab.record import LabPaths, LabRecord

PATHS = LabPaths(Path("/state/lab"))
LAB = LabRecord("ab12", "10.70.0.0/24", "10.70.1.0/24", guests=True)


@pytest.fixture
def image(tmp_path):
    (tmp_path / "layers" / "base-1").mkdir(parents=True)
    (tmp_path / "img").mkdir()
    manifest = tmp_path / "img" / "manifest.json"
    manifest.write_text(json.dumps({"id": "abc", "layers": ["../layers/base-1"]}))
    return manifest


def test_addresses_of_the_fabric():
    assert blueprint.served_addresses(LAB) == (
        "10.70.0.1", "10.70.0.11", "10.70.0.12", "10.70.0.13", "10.70.0.21", "10.70.0.22",
    )  # fmt: skip
    assert blueprint.gateway_addresses(LAB)[0] == "10.70.0.1/24"


def test_without_guests_all_is_on_loopback():
    alone = LabRecord("ab12", "10.70.0.0/24", "10.70.1.0/24", guests=False)
    assert all(IPv4Address(a).is_loopback for a in blueprint.served_addresses(alone))
    hosts = [host for cluster in blueprint.inventory(alone).clusters for host in cluster.hosts]
    assert set(hosts) < set(blueprint.served_addresses(alone))
    assert blueprint.vcenter_config(alone, PATHS, 443).runtime == "none"


def test_each_host_is_named_by_an_address_that_is_served():
    hosts = [host for cluster in blueprint.inventory(LAB).clusters for host in cluster.hosts]
    assert len(hosts) == 5
    assert set(hosts) < set(blueprint.served_addresses(LAB))


def test_the_machines_own_legs():
    management, external = blueprint.legs(LAB)
    assert (management.interface, management.address, management.attachment.vlan) == (
        "vdab12m",
        "10.70.0.254/24",
        0,
    )
    assert (external.interface, external.address, external.attachment.vlan) == (
        "vdab12x",
        "10.70.1.254/24",
        11,
    )
    assert all(len(leg.interface) <= 15 for leg in (management, external))


def test_settings_survive_their_file(tmp_path, image):
    lab = LabRecord("ab12", "10.70.0.0/24", "10.70.1.0/24", guests=True, image=str(image))
    config = blueprint.vcenter_config(lab, PATHS, 443)
    config.save(tmp_path / "vcenter.json")
    assert VCenterConfig.load(tmp_path / "vcenter.json") == config


def test_site_file(image):
    lab = LabRecord("ab12", "10.70.0.0/24", "10.70.1.0/24", guests=True, image=str(image))
    site = yaml.safe_load(site_file.site_text(lab, PATHS, 443))
    assert site["vcenter"] == {
        "host": "10.70.0.1",
        "port": 443,
        "username": "administrator@vsphere.local",
        "password_file": "/state/lab/vcenter-password",
        "ca_file": "/state/lab/pki/ca.pem",
    }
    assert site["appliance"] == {"template": "viaduct-appliance-abc"}
    assert site["networks"]["external"]["ranges"] == ["10.70.1.100-10.70.1.199"]
    assert "password" not in site["vcenter"]


def test_nothing_in_the_ranges_is_an_address_of_the_lab_itself():
    site = site_file.site(LAB, PATHS, 443)
    for name in ("management", "external"):
        network = site["networks"][name]
        first, last = (IPv4Address(a) for a in network["ranges"][0].split("-"))
        assert first in IPv4Network(network["cidr"])
        assert last in IPv4Network(network["cidr"])
        own = {IPv4Address(a) for a in blueprint.served_addresses(LAB)}
        own |= {IPv4Address(leg.address.split("/")[0]) for leg in blueprint.legs(LAB)}
        assert not any(first <= address <= last for address in own)


def test_site_names_exist_in_the_inventory():
    site, inventory = site_file.site(LAB, PATHS, 443), blueprint.inventory(LAB)
    clusters = {cluster.name: cluster for cluster in inventory.clusters}
    assert site["management"]["datastore"] in clusters[site["management"]["cluster"]].datastores
    for compute in site["compute"]:
        assert set(compute["datastores"]) <= set(clusters[compute["cluster"]].datastores)
    assert all(site["images"]["datastore"] in cluster.datastores for cluster in inventory.clusters)
    assert {n["port_group"] for n in site["networks"].values()} <= {p.name for p in inventory.port_groups}
    assert site["tenant_networks"]["switch"] == inventory.switch


def test_image_id(image):
    assert blueprint.image_id(image) == "abc"


@pytest.mark.parametrize(
    "content", ["", "[]", '{"id": "a"}', '{"id": "a", "layers": []}', '{"id": "a", "layers": ["gone"]}']
)
def test_damaged_images(tmp_path, content):
    manifest = tmp_path / "manifest.json"
    manifest.write_text(content)
    with pytest.raises(ImageUnusable) as caught:
        blueprint.image_id(manifest)
    assert "image build" in caught.value.remedy


def test_no_image(tmp_path):
    with pytest.raises(ImageUnusable, match="no appliance image"):
        blueprint.image_id(tmp_path / "manifest.json")
