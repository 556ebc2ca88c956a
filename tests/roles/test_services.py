"""What the services' configuration says."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import uuid

import pytest

from roles.parsing import haproxy, ini, oslo, text
from samples import VCENTER_PASSWORD, sample_cloud, sample_site
from viaduct.model.node_state import NodeState
from viaduct.model.secret import Secret
from viaduct.model.site import ComputeCluster
from viaduct.roles import node_state
from viaduct.roles.locations import ENDPOINTS
from viaduct.roles.vsphere_config import compute_id, datastore_regex

PUBLIC, INTERNAL = "10.70.1.100", "10.70.0.100"
PORTS = {"keystone": 5000, "placement": 8778, "glance": 9292, "nova": 8774, "neutron": 9696, "cinder": 8776}


@pytest.fixture(scope="module")
def state() -> NodeState:
    cloud = sample_cloud()
    return node_state(cloud, cloud.spec.nodes[0])


@pytest.mark.parametrize(("service", "port"), PORTS.items())
def test_tls_ends_at_the_load_balancer(state: NodeState, service: str, port: int) -> None:
    sections = haproxy(text(state, "/etc/haproxy/haproxy.cfg"))
    front = sections[f"frontend {service}"]
    binds = [line for line in front if line[0] == "bind"]
    assert [line[1] for line in binds] == [f"{PUBLIC}:{port}", f"{INTERNAL}:{port}"]
    assert all(line[2:5] == ["ssl", "crt", "/etc/viaduct/endpoint.pem"] for line in binds)
    assert ["http-request", "set-header", "X-Forwarded-Proto", "https"] in front
    server = next(line for line in sections[f"backend {service}"] if line[0] == "server")
    assert server[2] == f"127.0.0.1:{port + 10000}"


def test_nothing_listens_in_the_clear_beyond_loopback(state: NodeState) -> None:
    sections = haproxy(text(state, "/etc/haproxy/haproxy.cfg"))
    assert not any("stats" in " ".join(line) for lines in sections.values() for line in lines)
    for f in state.files:
        if "/uwsgi-" in f.path:
            assert ini(state, f.path)["uwsgi"]["http-socket"][0].startswith("127.0.0.1:"), f.path
    assert ini(state, "/etc/mysql/mariadb.conf.d/90-viaduct.cnf")["mariadbd"]["bind-address"] == ["127.0.0.1"]
    assert "listeners.tcp.1 = 127.0.0.1:5672\n" in text(state, "/etc/rabbitmq/rabbitmq.conf")
    environment = text(state, "/etc/rabbitmq/rabbitmq-env.conf")
    assert "ERL_EPMD_ADDRESS=127.0.0.1" in environment
    assert "inet_dist_use_interface {127,0,0,1}" in environment
    assert "\n-l 127.0.0.1\n" in text(state, "/etc/memcached.conf")
    assert "\n-U 0\n" in text(state, "/etc/memcached.conf")


def test_same_address_inside_and_outside_is_bound_once() -> None:
    from dataclasses import replace

    cloud = sample_cloud()
    spec = replace(cloud.spec, public_address=cloud.spec.internal_address)
    state = node_state(replace(cloud, spec=spec), spec.nodes[0])
    front = haproxy(text(state, "/etc/haproxy/haproxy.cfg"))["frontend nova"]
    assert len([line for line in front if line[0] == "bind"]) == 1


def test_each_api_is_served_once_where_the_load_balancer_looks(state: NodeState) -> None:
    ports = [
        int(ini(state, f.path)["uwsgi"]["http-socket"][0].split(":")[1])
        for f in state.files
        if "/uwsgi-" in f.path
    ]
    assert sorted(ports) == sorted(endpoint.local_port for endpoint in ENDPOINTS)


def test_uwsgi_closes_connections_and_loads_in_the_worker(state: NodeState) -> None:
    for f in state.files:
        if "/uwsgi-" in f.path:
            options = ini(state, f.path)["uwsgi"]
            assert options["add-header"] == ["Connection: close"]
            assert options["lazy-apps"] == options["need-app"] == options["enable-threads"] == ["true"]
            assert (options["processes"], options["threads"]) == (["1"], ["4"])


def test_nova_reads_its_paste_configuration_first(state: NodeState) -> None:
    unit = text(state, "/etc/systemd/system/viaduct-nova-api.service")
    files = re.search(r'OS_NOVA_CONFIG_FILES=([^"]+)', unit)
    assert files is not None
    assert files.group(1).split(";") == ["/opt/openstack/etc/nova/api-paste.ini", "/etc/nova/nova.conf"]


def test_cinder_api_gets_its_file_as_an_argument(state: NodeState) -> None:
    options = ini(state, "/etc/cinder/uwsgi-cinder-api.ini")["uwsgi"]
    assert options["pyargv"] == ["--config-file /etc/cinder/cinder.conf"]


@pytest.mark.parametrize(
    ("path", "section", "user", "database"),
    [
        ("/etc/keystone/keystone.conf", "database", "keystone", "keystone"),
        ("/etc/placement/placement.conf", "placement_database", "placement", "placement"),
        ("/etc/glance/glance-api.conf", "database", "glance", "glance"),
        ("/etc/nova/nova.conf", "database", "nova", "nova"),
        ("/etc/nova/nova.conf", "api_database", "nova", "nova_api"),
        ("/etc/neutron/neutron.conf", "database", "neutron", "neutron"),
        ("/etc/cinder/cinder.conf", "database", "cinder", "cinder"),
    ],
)
def test_each_service_has_its_own_account(
    state: NodeState, path: str, section: str, user: str, database: str
) -> None:
    url = oslo(ini(state, path), section, "connection")
    assert url == (
        f"mysql+pymysql://{user}:S-{user}_database_password-0123456789@127.0.0.1:3306/{database}?charset=utf8mb4"
    )


def test_accounts_have_rights_on_their_own_databases_only(state: NodeState) -> None:
    sql = text(state, "/etc/viaduct/accounts.sql")
    grants = re.findall(r"GRANT (.+) ON `(.+)`\.\* TO '(\w+)'@'(.+)';", sql)
    assert {(database.replace("\\_", "_"), user) for _, database, user, _ in grants} == {
        ("keystone", "keystone"),
        ("placement", "placement"),
        ("glance", "glance"),
        ("nova", "nova"),
        ("nova_api", "nova"),
        ("nova_cell0", "nova"),
        ("neutron", "neutron"),
        ("cinder", "cinder"),
    }
    for rights, _, _, host in grants:
        assert "ALL" not in rights
        assert "GRANT" not in rights
        assert host == "127.0.0.1"


def test_account_passwords_are_hashed_as_mariadb_does(state: NodeState) -> None:
    inner = hashlib.sha1(b"S-nova_database_password-0123456789").digest()
    expected = "*" + hashlib.sha1(inner).hexdigest().upper()
    assert f"'nova'@'127.0.0.1' IDENTIFIED VIA mysql_native_password USING '{expected}'" in text(
        state, "/etc/viaduct/accounts.sql"
    )


def test_rabbitmq_user_is_defined_by_a_valid_hash(state: NodeState) -> None:
    definitions = json.loads(text(state, "/etc/rabbitmq/definitions.json"))
    (user,) = definitions["users"]
    raw = base64.b64decode(user["password_hash"])
    password = b"S-messaging_password-0123456789"
    assert raw[4:] == hashlib.sha256(raw[:4] + password).digest()
    assert user["name"] == "openstack"
    assert definitions["permissions"][0]["vhost"] == definitions["vhosts"][0]["name"] == "/"
    transport = oslo(ini(state, "/etc/nova/nova.conf"), "DEFAULT", "transport_url")
    assert transport == f"rabbit://openstack:{password.decode()}@127.0.0.1:5672//"


def test_passwords_are_quoted_in_urls() -> None:
    secrets = {**sample_cloud().secrets, "nova_database_password": Secret("a/b@c:d$e%f")}
    cloud = sample_cloud(secrets=secrets)
    state = node_state(cloud, cloud.spec.nodes[0])
    url = oslo(ini(state, "/etc/nova/nova.conf"), "database", "connection")
    assert url.startswith("mysql+pymysql://nova:a%2Fb%40c%3Ad%24e%25f@127.0.0.1:3306/nova?")


@pytest.mark.parametrize(
    ("path", "section", "option"),
    [
        ("/etc/nova/compute/compute/nova-compute.conf", "vmware", "host_password"),
        ("/etc/neutron/ml2_conf.ini", "viaduct_dvs", "host_password"),
        ("/etc/cinder/cinder.conf", "vsphere", "vmware_host_password"),
        ("/etc/glance/glance-api.conf", "vsphere", "vmware_server_password"),
    ],
)
def test_vcenter_password_arrives_unchanged(state: NodeState, path: str, section: str, option: str) -> None:
    assert oslo(ini(state, path), section, option) == VCENTER_PASSWORD


@pytest.mark.parametrize(
    "path", ["/etc/placement/placement.conf", "/etc/glance/glance-api.conf", "/etc/nova/nova.conf",
             "/etc/neutron/neutron.conf", "/etc/cinder/cinder.conf"],
)  # fmt: skip
def test_tokens_are_checked_inside_and_service_tokens_demanded(state: NodeState, path: str) -> None:
    section = ini(state, path)["keystone_authtoken"]
    user = path.split("/")[2]
    assert section["auth_url"] == [f"https://{INTERNAL}:5000/v3"]
    assert section["www_authenticate_uri"] == [f"https://{PUBLIC}:5000/v3"]
    assert section["service_token_roles_required"] == ["true"]
    assert section["username"] == [user]
    assert section["password"] == [f"S-{user}_password-0123456789"]
    assert section["cafile"] == ["/etc/viaduct/cloud-ca.pem"]


@pytest.mark.parametrize("path", ["/etc/nova/nova.conf", "/etc/cinder/cinder.conf"])
def test_service_user_token_is_sent(state: NodeState, path: str) -> None:
    """Without it a volume cannot be detached."""
    assert ini(state, path)["service_user"]["send_service_user_token"] == ["true"]


def test_compute(state: NodeState) -> None:
    nova = ini(state, "/etc/nova/nova.conf")
    compute = ini(state, "/etc/nova/compute/compute/nova-compute.conf")
    assert nova["DEFAULT"]["allow_resize_to_same_host"] == ["true"]
    assert nova["vnc"]["enabled"] == ["false"]
    assert compute["DEFAULT"]["force_config_drive"] == ["true"]
    assert compute["DEFAULT"]["compute_driver"] == ["viaduct_vsphere.ViaductVCDriver"]
    assert compute["vmware"]["cluster_name"] == ["compute"]
    assert oslo(compute, "vmware", "datastore_regex") == r"^(compute\-ds)$"
    assert compute["vmware"]["ca_file"] == ["/etc/viaduct/vcenter-ca.pem"]
    uuid.UUID(text(state, "/etc/nova/compute/compute/compute_id").strip())
    unit = text(state, "/etc/systemd/system/viaduct-nova-compute-compute.service")
    assert (
        "--config-file /etc/nova/nova.conf --config-file /etc/nova/compute/compute/nova-compute.conf" in unit
    )


def test_compute_identity_depends_on_names_only() -> None:
    cluster = ComputeCluster("compute", ("a",))
    cloud = sample_cloud()
    assert compute_id(cloud, cluster) == compute_id(sample_cloud(), ComputeCluster("compute", ("b",)))
    assert compute_id(cloud, cluster) != compute_id(cloud, ComputeCluster("other", ("a",)))


@pytest.mark.parametrize(
    ("names", "matching", "others"),
    [
        (("ds1",), ("ds1",), ("ds", "ds11", "xds1")),
        (("a.b", "c"), ("a.b", "c"), ("axb", "a.bc", "cc")),
        (("d$(1)",), ("d$(1)",), ("d(1)", "d$1")),
        (("with space+plus",), ("with space+plus",), ("with spaceplus",)),
    ],
)
def test_datastore_expression_matches_just_its_names(
    names: tuple[str, ...], matching: tuple[str, ...], others: tuple[str, ...]
) -> None:
    expression = re.compile(datastore_regex(names))
    assert all(expression.match(name) for name in matching)
    assert not any(expression.match(name) for name in others)


def test_network(state: NodeState) -> None:
    ml2 = ini(state, "/etc/neutron/ml2_conf.ini")
    assert ml2["ml2_type_vlan"]["network_vlan_ranges"] == ["dvs:1000:1499,dvs:1600:1999"]
    assert ml2["ml2"]["mechanism_drivers"] == ["viaduct_dvs"]
    assert ml2["viaduct_dvs"]["switch"] == ["dvs"]
    assert ini(state, "/etc/neutron/neutron.conf")["DEFAULT"]["service_plugins"] == [""]


def test_image_store_is_named_as_its_scheme(state: NodeState) -> None:
    """Glance takes a back end's type for its scheme, and the store's scheme is ``vsphere``."""
    glance = ini(state, "/etc/glance/glance-api.conf")
    assert glance["DEFAULT"]["enabled_backends"] == ["vsphere:vsphere"]
    assert glance["glance_store"]["default_backend"] == ["vsphere"]
    assert glance["vsphere"]["vmware_datastores"] == ["/Datacenter:shared-ds:100"]
    assert glance["DEFAULT"]["show_multiple_locations"] == ["false"]


def test_volumes_lie_where_compute_can_reach_them() -> None:
    clusters = (ComputeCluster("one", ("a", "shared")), ComputeCluster("two", ("b", "shared")))
    cloud = sample_cloud(site=sample_site(compute=clusters))
    backend = ini(node_state(cloud, cloud.spec.nodes[0]), "/etc/cinder/cinder.conf")["vsphere"]
    assert backend["vmware_cluster_name"] == ["one", "two"]
    assert oslo({"s": backend}, "s", "vmware_datastore_regex") == "^(a|shared|b)$"
    assert backend["backend_host"] == ["c1"]


def test_identity_records_name_every_service_user_and_endpoint(state: NodeState) -> None:
    records = json.loads(text(state, "/etc/keystone/viaduct-identity.json"))
    assert records["region"] == "RegionOne"
    assert {user["name"] for user in records["users"]} == {"placement", "glance", "nova", "neutron", "cinder"}
    urls = {e["type"]: (e["public"], e["internal"]) for e in records["endpoints"]}
    assert urls["identity"] == (f"https://{PUBLIC}:5000/v3", f"https://{INTERNAL}:5000/v3")
    assert urls["compute"][0] == f"https://{PUBLIC}:8774/v2.1"
    assert (
        urls["block-storage"]
        == urls["volumev3"]
        == (f"https://{PUBLIC}:8776/v3", f"https://{INTERNAL}:8776/v3")
    )
    assert records["endpoints"][0]["type"] == "identity", "bootstrap makes the first one"


def test_trust_store_gets_one_file_a_certificate(state: NodeState) -> None:
    files = [f for f in state.files if f.path.startswith("/usr/local/share/ca-certificates/")]
    assert all(f.content.count(b"BEGIN CERTIFICATE") == 1 for f in files)
    assert {f.path.rpartition("/")[2] for f in files} == {"viaduct-cloud-0.crt", "viaduct-vcenter-0.crt"}
    endpoint = text(state, "/etc/viaduct/endpoint.pem")
    assert endpoint.index("CERTIFICATE") < endpoint.index("PRIVATE KEY")
