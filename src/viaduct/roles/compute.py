"""Role ``compute``: one nova-compute for each of the site's compute clusters."""

from __future__ import annotations

from viaduct.model.cloud import Cloud, Node
from viaduct.model.node_state import Check, File, Unit, Wave
from viaduct.model.site import ComputeCluster
from viaduct.roles import onnode
from viaduct.roles.compute_api import CONDUCTOR, CONFIG, USER, compute_name, shared_files
from viaduct.roles.ini import Sections, literal
from viaduct.roles.service_config import VCENTER_CA, config_file
from viaduct.roles.state import FINAL, SERVICES, RoleState
from viaduct.roles.units import VENV, Daemon, daemon_file, unit_name
from viaduct.roles.vsphere_config import compute_host, compute_id, datastore_regex

DRIVER = "viaduct_vsphere.ViaductVCDriver"


def render(cloud: Cloud, node: Node) -> RoleState:
    """Each nova-compute has a host name, a state directory and an identity of its own."""
    daemons = {cluster: _daemon(cluster) for cluster in cloud.site.compute}
    units = tuple(unit_name(daemon.name) for daemon in daemons.values())
    shared = () if "compute-api" in node.roles else shared_files(cloud, node)
    queues = " ".join(f"compute.{compute_host(cluster)}" for cluster in daemons)
    check = Check(
        "nova-compute serves its clusters",
        f"{VENV}/bin/python {onnode.QUEUES} {CONFIG} {queues}",
        timeout=180,
    )
    own = tuple(file for cluster, daemon in daemons.items() for file in _files(cloud, cluster, daemon))
    return RoleState(
        files=(*shared, *own),
        waves=(
            Wave(SERVICES, units=tuple(Unit(unit) for unit in units)),
            Wave(FINAL, checks=(check, *_mapped(cloud, node))),
        ),
    )


def _mapped(cloud: Cloud, node: Node) -> tuple[Check, ...]:
    """That the scheduler has found the hosts: before that it answers "no valid host"."""
    if "database" not in node.roles:
        return ()  # it can be seen in the database only
    hosts = [compute_host(cluster) for cluster in cloud.site.compute]
    names = ", ".join(f"'{host}'" for host in hosts)
    query = f"SELECT COUNT(*) FROM nova_api.host_mappings WHERE host IN ({names})"  # noqa: S608
    command = f'test "$(mariadb --batch --skip-column-names --execute "{query}")" = {len(hosts)}'
    return (Check("nova-scheduler knows the clusters", command, timeout=180),)


def _directory(cluster: ComputeCluster) -> str:
    return f"/etc/nova/compute/{compute_host(cluster)}"


def _daemon(cluster: ComputeCluster) -> Daemon:
    host = compute_host(cluster)
    return Daemon(
        compute_name(cluster),
        USER,
        "nova-compute",
        (CONFIG, f"{_directory(cluster)}/nova-compute.conf"),
        state_directories=(f"nova/compute/{host}", f"nova/compute/{host}/lock"),
        # It asks the conductor first of all, and waits long for an answer that nobody was there to give.
        after=(unit_name(CONDUCTOR.name),),
        stop_timeout=90,
        vcenter=True,
    )


def _files(cloud: Cloud, cluster: ComputeCluster, daemon: Daemon) -> tuple[File, ...]:
    restarts = (unit_name(daemon.name),)
    path = f"{_directory(cluster)}/nova-compute.conf"
    identity = f"{compute_id(cloud, cluster)}\n"
    return (
        config_file(cloud, path, _settings(cloud, cluster), group=USER, restarts=restarts),
        File(
            f"{_directory(cluster)}/compute_id", identity.encode(), group=USER, mode=0o640, restarts=restarts
        ),
        daemon_file(daemon),
    )


def _settings(cloud: Cloud, cluster: ComputeCluster) -> Sections:
    host = compute_host(cluster)
    vcenter = cloud.site.vcenter
    state = f"/var/lib/nova/compute/{host}"
    return {
        "DEFAULT": {
            "host": host,
            "state_path": state,
            "compute_driver": DRIVER,
            # A plain distributed switch has neither DHCP nor metadata: a guest learns everything from its
            # config drive.
            "force_config_drive": True,
            "mkisofs_cmd": "genisoimage",
            "flat_injected": False,
            # ESXi takes its share by itself; these would be taken from the whole cluster's sum.
            "reserved_host_memory_mb": 0,
            "reserved_host_disk_mb": 0,
            # Guests run on ESXi: a start of nova-compute is no start of their host.
            "resume_guests_state_on_host_boot": False,
        },
        "vmware": {
            "host_ip": vcenter.host,
            "host_port": vcenter.port,
            "host_username": literal(vcenter.username),
            "host_password": literal(vcenter.password.reveal()),
            "ca_file": VCENTER_CA,
            "insecure": False,
            "cluster_name": literal(cluster.cluster),
            "datastore_regex": literal(datastore_regex(cluster.datastores)),
            "cache_prefix": f"viaduct-{cloud.spec.name}",
            "task_poll_interval": 0.2,
            "maximum_objects": 1000,
        },
        "viaduct_vsphere": {"cloud": cloud.spec.name},
        "oslo_concurrency": {"lock_path": f"{state}/lock"},
    }
