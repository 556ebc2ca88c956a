"""Role ``image``: glance with images on a vSphere datastore."""

from __future__ import annotations

from viaduct.errors import SpecError
from viaduct.model.cloud import Cloud, Node
from viaduct.model.node_state import Unit, Wave
from viaduct.roles.database import migration
from viaduct.roles.ini import Section, Sections, literal, merge
from viaduct.roles.locations import IMAGE, internal_url
from viaduct.roles.service_config import (
    VCENTER_CA,
    config_file,
    database,
    general,
    locks,
    messaging,
    token_check,
)
from viaduct.roles.state import DATA, SERVICES, RoleState
from viaduct.roles.units import PASTE, VENV, Api, api_files, unit_name

USER = "glance"
API = Api(
    "glance-api",
    USER,
    "glance.wsgi.api",
    IMAGE.local_port,
    state_directories=("glance/staging", "glance/tasks", "glance/lock"),
    timeout=600,
    vcenter=True,
)
UNIT = unit_name(API.name)
CONFIG = "/etc/glance/glance-api.conf"
STORE = "vsphere"


def render(cloud: Cloud, node: Node) -> RoleState:
    """The API with one store.

    Raises SpecError if the vCenter's port is not 443, which the store cannot be told.
    """
    port = cloud.site.vcenter.port
    if port != 443:
        raise SpecError(
            f"Glance's vSphere store reaches a vCenter on port 443 only, but the site says {port}.",
            "Make the vCenter answer on port 443.",
        )
    command = f"{VENV}/bin/glance-manage --config-file {CONFIG} db_sync"
    return RoleState(
        files=(
            config_file(cloud, CONFIG, _settings(cloud, node), group=USER, restarts=(UNIT,)),
            *api_files(API),
        ),
        waves=(
            Wave(DATA, one_shots=(migration(USER, (USER,), command),)),
            Wave(SERVICES, units=(Unit(UNIT),)),
        ),
    )


def _settings(cloud: Cloud, node: Node) -> Sections:
    default = {key: value for key, value in general(node, USER).items() if key not in ("host", "state_path")}
    return merge(
        {
            "DEFAULT": {
                **default,
                "enabled_backends": f"{STORE}:vsphere",
                # web-download would let tenants make this node fetch what only it can reach.
                "enabled_import_methods": "[glance-direct]",
                "worker_self_reference_url": internal_url(cloud, IMAGE),
                # A location would show tenants datastore paths.
                "show_image_direct_url": False,
                "show_multiple_locations": False,
            },
            "paste_deploy": {"flavor": "keystone", "config_file": f"{PASTE}/glance/glance-api-paste.ini"},
            "glance_store": {"default_backend": STORE},
            STORE: _store(cloud),
            "os_glance_staging_store": {"filesystem_store_datadir": "/var/lib/glance/staging"},
            "os_glance_tasks_store": {"filesystem_store_datadir": "/var/lib/glance/tasks"},
            "image_format": {"disk_formats": "vmdk,iso", "container_formats": "bare,ova"},
        },
        {"database": database(cloud, node, USER)},
        messaging(cloud, node),
        token_check(cloud, node, USER),
        locks(USER),
    )


def _store(cloud: Cloud) -> Section:
    site = cloud.site
    return {
        "store_description": literal(f"vSphere datastore {site.image_datastore}"),
        "vmware_server_host": site.vcenter.host,
        "vmware_server_username": literal(site.vcenter.username),
        "vmware_server_password": literal(site.vcenter.password.reveal()),
        "vmware_datastores": literal(f"/{site.datacenter.strip('/')}:{site.image_datastore}:100"),
        "vmware_store_image_dir": f"openstack_glance_{cloud.spec.name}",
        "vmware_ca_file": VCENTER_CA,
        "vmware_insecure": False,
        "vmware_task_poll_interval": 1,
        "vmware_api_retry_count": 10,
    }
