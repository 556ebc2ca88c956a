"""Role ``network``: neutron with VLAN networks on the site's distributed switch."""

from __future__ import annotations

from viaduct.model.cloud import Cloud, Node
from viaduct.model.node_state import Unit, Wave
from viaduct.roles.database import migration
from viaduct.roles.ini import Sections, literal, merge
from viaduct.roles.locations import NETWORK
from viaduct.roles.service_config import (
    VCENTER_CA,
    client,
    config_file,
    credentials,
    database,
    general,
    locks,
    messaging,
    token_check,
)
from viaduct.roles.state import DATA, SERVICES, RoleState
from viaduct.roles.units import PASTE, VENV, Api, api_files, unit_name

USER = "neutron"
API = Api(
    "neutron-api",
    USER,
    "neutron.wsgi.api",
    NETWORK.local_port,
    (("OS_NEUTRON_CONFIG_DIR", "/etc/neutron"), ("OS_NEUTRON_CONFIG_FILES", "neutron.conf;ml2_conf.ini")),
    state_directories=("neutron/lock",),
    vcenter=True,
)
UNIT = unit_name(API.name)
CONFIG = "/etc/neutron/neutron.conf"
ML2_CONFIG = "/etc/neutron/ml2_conf.ini"


def render(cloud: Cloud, node: Node) -> RoleState:
    """The API alone: no agent runs anywhere, the switch does the work."""
    command = f"{VENV}/bin/neutron-db-manage --config-file {CONFIG} --config-file {ML2_CONFIG} upgrade heads"
    return RoleState(
        files=(
            config_file(cloud, CONFIG, _settings(cloud, node), group=USER, restarts=(UNIT,)),
            config_file(cloud, ML2_CONFIG, _ml2(cloud), group=USER, restarts=(UNIT,)),
            *api_files(API),
        ),
        waves=(
            Wave(DATA, one_shots=(migration(USER, (USER,), command),)),
            Wave(SERVICES, units=(Unit(UNIT),)),
        ),
    )


def _settings(cloud: Cloud, node: Node) -> Sections:
    return merge(
        {
            "DEFAULT": {
                **general(node, USER),
                "core_plugin": "ml2",
                # No routers: without an agent they would be rows in a table that do nothing.
                "service_plugins": "",
                "auth_strategy": "keystone",
                "api_paste_config": f"{PASTE}/neutron/api-paste.ini",
                "enable_traditional_dhcp": False,
                "dhcp_agent_notification": False,
                "rpc_workers": 0,
                "rpc_state_report_workers": 0,
            },
            "nova": {**credentials(cloud, USER), "endpoint_type": "internal"},
            "placement": client(cloud, USER),
        },
        {"database": database(cloud, node, USER)},
        messaging(cloud, node),
        token_check(cloud, node, USER),
        locks(USER),
    )


def _ml2(cloud: Cloud) -> Sections:
    site = cloud.site
    physical = site.tenant_networks.physical_network
    ranges = ",".join(f"{physical}:{first}:{last}" for first, last in site.tenant_networks.vlans)
    return {
        "ml2": {
            "type_drivers": "vlan,flat",
            "project_network_types": "vlan",
            "mechanism_drivers": "viaduct_dvs",
            "extension_drivers": "port_security",
        },
        "ml2_type_vlan": {"network_vlan_ranges": ranges},
        "ml2_type_flat": {"flat_networks": physical},
        "securitygroup": {"enable_security_group": True},
        "viaduct_dvs": {
            "host_ip": site.vcenter.host,
            "host_port": site.vcenter.port,
            "host_username": literal(site.vcenter.username),
            "host_password": literal(site.vcenter.password.reveal()),
            "ca_file": VCENTER_CA,
            "insecure": False,
            "datacenter": literal(site.datacenter),
            "switch": literal(site.tenant_networks.switch),
            "physical_network": physical,
            "cloud": cloud.spec.name,
        },
    }
