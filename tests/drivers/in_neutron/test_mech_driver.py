"""The mechanism driver inside Neutron's own ML2 plugin, with a database of its own and a switch in memory."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from dvs_groups import MemorySwitch, standing

from viaduct_drivers.neutron.errors import VCenterUnreachable
from viaduct_drivers.neutron.portgroup import FoundPortGroup, WantedPortGroup

pytest.importorskip("neutron", reason="needs Neutron: see tests/drivers/README.md")

from neutron import manager
from neutron.api import extensions
from neutron.common import config as neutron_config
from neutron.db.migration.models import head
from neutron.plugins.ml2.common import exceptions as ml2_exceptions
from neutron_lib import context as neutron_context
from neutron_lib import exceptions as neutron_exceptions
from neutron_lib.api import attributes
from neutron_lib.callbacks import events, registry, resources
from neutron_lib.db import api as database
from neutron_lib.plugins import directory

from viaduct_drivers.neutron import cli, mech_driver
from viaduct_drivers.neutron.database import NetworkDatabase

CONFIGURATION = """
[DEFAULT]
core_plugin = ml2
service_plugins =
enable_traditional_dhcp = false
transport_url = fake:/
[database]
connection = sqlite:///{folder}/neutron.db
[oslo_concurrency]
lock_path = {folder}/lock
[ml2]
type_drivers = vlan,flat
project_network_types = vlan
mechanism_drivers = viaduct_dvs
extension_drivers = port_security
[ml2_type_vlan]
network_vlan_ranges = dvs:1000:1009,other:1:9
[ml2_type_flat]
flat_networks = dvs
[viaduct_dvs]
host_ip = 127.0.0.1
host_username = viaduct
host_password = s3cret
datacenter = DC
switch = dvs
physical_network = dvs
cloud = c1
"""


class FaultySwitch(MemorySwitch):
    """A switch whose vCenter can be taken down."""

    def __init__(self, *_: Any) -> None:
        super().__init__()
        self.down = False

    def ensure(self, group: WantedPortGroup) -> FoundPortGroup:
        if self.down:
            raise VCenterUnreachable("vCenter vc:443 does not answer: connection refused")
        return super().ensure(group)

    create = ensure

    def find(self, network_id: str) -> FoundPortGroup | None:
        if self.down:
            raise VCenterUnreachable("vCenter vc:443 does not answer: connection refused")
        return super().find(network_id)

    def close(self) -> None:
        pass


class Cloud:
    """Neutron's plugin with its attributes filled in as the API does."""

    def __init__(self, configuration: Path) -> None:
        self.configuration = configuration
        self.plugin = directory.get_plugin()
        self.driver: mech_driver.ViaductDvsMechanismDriver = self.plugin.mechanism_manager.mech_drivers[
            "viaduct_dvs"
        ].obj
        self.context = neutron_context.get_admin_context()
        self.switch = FaultySwitch()
        self.requested: list[float] = []
        self.driver._switch = self.switch
        self.driver._background.request = lambda delay=0: self.requested.append(delay)

    def network(self, name: str = "web", **values: Any) -> dict[str, Any]:
        return self.plugin.create_network(self.context, self._body("network", name=name, **values))

    def port(self, network: dict[str, Any], **values: Any) -> dict[str, Any]:
        return self.plugin.create_port(self.context, self._body("port", network_id=network["id"], **values))

    def delete(self, network: dict[str, Any]) -> None:
        self.plugin.delete_network(self.context, network["id"])

    def _body(self, kind: str, **values: Any) -> dict[str, Any]:
        info = attributes.AttributeInfo(attributes.RESOURCES[f"{kind}s"])
        body = {"tenant_id": "p1", "project_id": "p1", **values}
        info.fill_post_defaults(body)
        info.convert_values(body)
        return {kind: body}


@pytest.fixture(scope="module")
def neutron(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("neutron")
    configuration = folder / "neutron.conf"
    configuration.write_text(CONFIGURATION.format(folder=folder))
    neutron_config.register_common_config_options()
    neutron_config.init(["--config-file", str(configuration)])
    neutron_config.set_config_defaults()
    head.model_base.BASEV2.metadata.create_all(database.CONTEXT_WRITER.get_engine())
    manager.init()
    extensions.PluginAwareExtensionManager.get_instance().extend_resources("2.0", attributes.RESOURCES)
    return configuration


@pytest.fixture
def cloud(neutron: Path) -> Iterator[Cloud]:
    cloud = Cloud(neutron)
    yield cloud
    cloud.switch.down = False
    for group in list(cloud.switch.groups.values()):
        cloud.switch.groups[group.moid] = standing(_as_wanted(group), moid=group.moid)
    for port in cloud.plugin.get_ports(cloud.context):
        cloud.plugin.delete_port(cloud.context, port["id"])
    for network in cloud.plugin.get_networks(cloud.context):
        cloud.delete(network)


def _as_wanted(group: FoundPortGroup) -> WantedPortGroup:
    assert group.mark is not None
    return WantedPortGroup(group.mark.network_id, group.name, group.description, group.vlan or 0)


def test_a_network_becomes_a_port_group_and_goes_with_it(cloud: Cloud) -> None:
    network = cloud.network("web")
    (group,) = cloud.switch.groups.values()
    assert group.name == f"c1-web-{network['id']}"
    assert group.vlan == network["provider:segmentation_id"]
    assert 1000 <= group.vlan <= 1009
    assert group.port_security
    assert not group.blocked

    cloud.delete(network)
    assert cloud.switch.groups == {}


def test_a_flat_network_is_untagged(cloud: Cloud) -> None:
    cloud.network("plain", **{"provider:network_type": "flat", "provider:physical_network": "dvs"})
    (group,) = cloud.switch.groups.values()
    assert group.vlan == 0


def test_a_network_elsewhere_is_none_of_ours(cloud: Cloud) -> None:
    network = cloud.network("x", **{"provider:network_type": "vlan", "provider:physical_network": "other"})
    assert cloud.switch.groups == {}
    port = cloud.port(network, **{"binding:host_id": "compute"})
    assert port["binding:vif_type"] == "binding_failed"


def test_a_port_is_bound_with_what_nova_takes_and_active_at_once(cloud: Cloud) -> None:
    network = cloud.network("web")
    port = cloud.port(network, **{"binding:host_id": "compute", "device_owner": "compute:nova"})
    (group,) = cloud.switch.groups.values()
    assert port["binding:vif_type"] == "dvs"
    details = port["binding:vif_details"]
    assert details["dvs_id"] == cloud.switch.uuid()
    assert details["pg_id"] == group.key
    assert details["dvs_port_group_name"] == group.name
    assert details["port_filter"] is False
    assert details["connectivity"] == "l2"
    assert cloud.plugin.get_port(cloud.context, port["id"])["status"] == "ACTIVE"


def test_a_direct_port_is_not_bound(cloud: Cloud) -> None:
    network = cloud.network("web")
    port = cloud.port(network, **{"binding:host_id": "compute", "binding:vnic_type": "direct"})
    assert port["binding:vif_type"] == "binding_failed"


def test_binding_makes_a_port_group_that_somebody_removed(cloud: Cloud) -> None:
    network = cloud.network("web")
    cloud.switch.groups.clear()
    port = cloud.port(network, **{"binding:host_id": "compute"})
    (group,) = cloud.switch.groups.values()
    assert port["binding:vif_details"]["pg_id"] == group.key


def test_a_port_is_not_bound_while_vcenter_is_down(cloud: Cloud) -> None:
    network = cloud.network("web")
    cloud.switch.down = True
    port = cloud.port(network, **{"binding:host_id": "compute"})
    assert port["binding:vif_type"] == "binding_failed"


def test_changes_of_a_network_are_followed(cloud: Cloud) -> None:
    network = cloud.network("web")
    cloud.plugin.update_network(
        cloud.context,
        network["id"],
        {"network": {"name": "shop", "admin_state_up": False, "port_security_enabled": False}},
    )
    (group,) = cloud.switch.groups.values()
    assert group.name == f"c1-shop-{network['id']}"
    assert (group.blocked, group.port_security) == (True, False)
    assert group.vlan == network["provider:segmentation_id"]


def test_a_change_that_fails_is_left_to_the_repair(cloud: Cloud) -> None:
    network = cloud.network("web")
    cloud.switch.down = True
    cloud.plugin.update_network(cloud.context, network["id"], {"network": {"name": "shop"}})
    assert cloud.requested == [15]
    cloud.switch.down = False
    assert [(o.action, o.result) for o in cloud.driver.repair()] == [("update", "done")]
    assert cloud.switch.find(network["id"]).name == f"c1-shop-{network['id']}"  # type: ignore[union-attr]


def test_a_network_is_rolled_back_while_vcenter_is_down(cloud: Cloud) -> None:
    cloud.switch.down = True
    with pytest.raises(ml2_exceptions.MechanismDriverError) as raised:
        cloud.network("web")
    (inner,) = raised.value.inner_exceptions
    assert isinstance(inner, neutron_exceptions.ServiceUnavailable)
    assert "could not be made: vCenter vc:443 does not answer" in str(inner)
    assert cloud.plugin.get_networks(cloud.context) == []


def test_two_segments_on_the_switch_are_refused(cloud: Cloud) -> None:
    segments = [
        {"provider:network_type": "vlan", "provider:physical_network": "dvs", "provider:segmentation_id": tag}
        for tag in (1001, 1002)
    ]
    with pytest.raises(ml2_exceptions.MechanismDriverError) as raised:
        cloud.network("two", segments=segments)
    (inner,) = raised.value.inner_exceptions
    assert isinstance(inner, neutron_exceptions.InvalidInput)
    assert cloud.plugin.get_networks(cloud.context) == []


def test_a_port_group_in_use_is_removed_later(cloud: Cloud) -> None:
    network = cloud.network("web")
    (group,) = cloud.switch.groups.values()
    cloud.switch.groups[group.moid] = standing(_as_wanted(group), moid=group.moid, in_use=True)
    cloud.delete(network)
    assert cloud.requested == [15]
    assert [o.result for o in cloud.driver.repair()] == ["attention"]

    cloud.switch.groups[group.moid] = standing(_as_wanted(group), moid=group.moid, in_use=False)
    assert [(o.action, o.result) for o in cloud.driver.repair()] == [("delete", "done")]
    assert cloud.switch.groups == {}


def test_what_the_database_wants_is_what_the_api_asked_for(cloud: Cloud) -> None:
    asked = [
        cloud.network("a"),
        cloud.network("b", port_security_enabled=False),
        cloud.network("c", admin_state_up=False),
        cloud.network("d", **{"provider:network_type": "flat", "provider:physical_network": "dvs"}),
    ]
    cloud.network("x", **{"provider:network_type": "vlan", "provider:physical_network": "other"})
    networks = NetworkDatabase(cloud.driver._options)
    wanted = {group.network_id: group for group in networks.all()}
    assert set(wanted) == {network["id"] for network in asked}
    for group in cloud.switch.groups.values():
        assert group.mark is not None
        assert group == standing(wanted[group.mark.network_id], moid=group.moid, key=group.moid)
    assert networks.get(asked[0]["id"]) == wanted[asked[0]["id"]]
    assert networks.get("0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0") is None
    assert cloud.driver.repair() == []


def test_a_repair_is_asked_for_when_the_api_has_started(cloud: Cloud) -> None:
    registry.publish(resources.PROCESS, events.AFTER_INIT, object())
    assert cloud.requested == [0]


def test_the_command(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    network = cloud.network("web")
    cloud.switch.groups.clear()
    monkeypatch.setattr(cli, "DistributedSwitch", lambda _options: cloud.switch)
    arguments = ["--config-file", str(cloud.configuration)]

    assert cli.main(["--dry-run", *arguments]) == 0
    assert capsys.readouterr().out.startswith(f"planned   create c1-web-{network['id']}")
    assert cloud.switch.groups == {}
    assert cli.main(["--json", *arguments]) == 0
    assert '"result": "done"' in capsys.readouterr().out
    assert len(cloud.switch.groups) == 1
    assert cli.main(arguments) == 0
    assert "agree" in capsys.readouterr().out


def test_the_command_says_what_is_missing(
    tmp_path: Path, neutron: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = tmp_path / "bad.conf"
    other.write_text(neutron.read_text().replace("switch = dvs", ""))
    assert cli.main(["--config-file", str(other)]) == 2
    assert "[viaduct_dvs] lacks switch" in capsys.readouterr().err
    assert cli.main(["--config-file", str(tmp_path / "none.conf")]) == 2
