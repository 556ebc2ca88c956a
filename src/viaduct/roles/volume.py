"""Role ``volume``: cinder's API, scheduler and volume service with VMDK volumes."""

from __future__ import annotations

from viaduct.model.cloud import Cloud, Node
from viaduct.model.node_state import Check, Unit, Wave
from viaduct.roles import onnode
from viaduct.roles.database import migration
from viaduct.roles.ini import Section, Sections, literal, merge
from viaduct.roles.locations import VOLUME
from viaduct.roles.service_config import (
    CLOUD_CA,
    REPORT_INTERVAL,
    VCENTER_CA,
    client,
    config_file,
    credentials,
    database,
    general,
    locks,
    messaging,
    service_token,
    token_check,
)
from viaduct.roles.state import DATA, FINAL, SERVICES, RoleState
from viaduct.roles.units import PASTE, VENV, Api, Daemon, api_files, daemon_file, unit_name
from viaduct.roles.vsphere_config import compute_datastores, datastore_regex

USER = "cinder"
BACKEND = "vsphere"
DRIVER = "viaduct_drivers.cinder.vmdk.ViaductVmdkDriver"
CONFIG = "/etc/cinder/cinder.conf"
_DIRECTORIES = ("cinder/lock", "cinder/conversion", "cinder/tmp")
# Eventlet is cinder's default still, and on its way out: everything else here runs on threads too.
_THREADS = (("OS_CINDER_DISABLE_EVENTLET_PATCHING", "1"),)
API = Api(
    "cinder-api",
    USER,
    "cinder.wsgi.api",
    VOLUME.local_port,
    arguments=f"--config-file {CONFIG}",
    state_directories=_DIRECTORIES,
)
SCHEDULER = Daemon(
    "cinder-scheduler", USER, "cinder-scheduler", (CONFIG,), _THREADS, state_directories=_DIRECTORIES
)
VOLUME_SERVICE = Daemon(
    "cinder-volume",
    USER,
    "cinder-volume",
    (CONFIG,),
    _THREADS,
    state_directories=_DIRECTORIES,
    stop_timeout=90,
    vcenter=True,
)
UNITS = tuple(unit_name(name) for name in (API.name, SCHEDULER.name, VOLUME_SERVICE.name))


def render(cloud: Cloud, node: Node) -> RoleState:
    """All three; volumes lie on the compute clusters' datastores."""
    command = f"{VENV}/bin/cinder-manage --config-file {CONFIG} db sync"
    check = Check(
        "cinder-scheduler and cinder-volume serve",
        f"{VENV}/bin/python {onnode.QUEUES} {CONFIG} "
        f"cinder-scheduler cinder-volume.{backend_host(cloud)}@{BACKEND}.{backend_host(cloud)}",
        timeout=180,
    )
    return RoleState(
        files=(
            config_file(cloud, CONFIG, _settings(cloud, node), group=USER, restarts=UNITS),
            *api_files(API),
            daemon_file(SCHEDULER),
            daemon_file(VOLUME_SERVICE),
        ),
        waves=(
            Wave(DATA, one_shots=(migration(USER, (USER,), command),)),
            Wave(SERVICES, units=tuple(Unit(name) for name in UNITS)),
            Wave(FINAL, checks=(check,)),
        ),
    )


def backend_host(cloud: Cloud) -> str:
    """What volumes say their host is: the cloud, not a node, so that a volume service may move."""
    return cloud.spec.name


def _settings(cloud: Cloud, node: Node) -> Sections:
    return merge(
        {
            "DEFAULT": {
                **general(node, USER),
                "my_ip": str(node.management_address),
                "auth_strategy": "keystone",
                "api_paste_config": f"{PASTE}/cinder/api-paste.ini",
                "resource_query_filters_file": f"{PASTE}/cinder/resource_filters.json",
                "report_interval": REPORT_INTERVAL,
                "periodic_fuzzy_delay": 0,
                "enabled_backends": BACKEND,
                "default_volume_type": "__DEFAULT__",
                "glance_catalog_info": "image:glance:internalURL",
                "glance_ca_certificates_file": CLOUD_CA,
                "image_conversion_dir": "/var/lib/cinder/conversion",
            },
            BACKEND: _backend(cloud),
            "nova": {**credentials(cloud, USER), "interface": "internal"},
            "glance": client(cloud, USER),
        },
        {"database": database(cloud, node, USER)},
        messaging(cloud, node),
        token_check(cloud, node, USER),
        service_token(cloud, USER),
        locks(USER),
    )


def _backend(cloud: Cloud) -> Section:
    site = cloud.site
    return {
        "volume_driver": DRIVER,
        "volume_backend_name": BACKEND,
        "backend_host": backend_host(cloud),
        "vmware_host_ip": site.vcenter.host,
        "vmware_host_port": site.vcenter.port,
        "vmware_host_username": literal(site.vcenter.username),
        "vmware_host_password": literal(site.vcenter.password.reveal()),
        "vmware_ca_file": VCENTER_CA,
        "vmware_insecure": False,
        "vmware_cluster_name": tuple(literal(cluster.cluster) for cluster in site.compute),
        "vmware_datastore_regex": literal(datastore_regex(compute_datastores(site))),
        "vmware_task_poll_interval": 0.2,
        "vmware_max_objects_retrieval": 1000,
        # Off, it reports capacity as unknown.
        "vmware_enable_volume_stats": True,
        "vmware_tmp_dir": "/var/lib/cinder/tmp",
    }
