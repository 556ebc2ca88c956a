"""What holds for every node's state, whatever its roles."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from roles.parsing import file, ini, text
from samples import VCENTER_PASSWORD, sample_cloud, sample_node, sample_secrets, sample_site
from viaduct.errors import SpecError
from viaduct.model.node_state import NodeState
from viaduct.model.secret import Secret
from viaduct.model.site import ComputeCluster
from viaduct.roles import CONFIG_FILES, ROLES, node_state
from viaduct.roles.state import WAVES

SERVICES = ("keystone", "placement", "glance", "nova", "neutron", "cinder")


MAIN_FILES = {
    "keystone": ("keystone.conf",),
    "placement": ("placement.conf",),
    "glance": ("glance-api.conf",),
    "nova": ("nova.conf",),
    "neutron": ("neutron.conf", "ml2_conf.ini"),
    "cinder": ("cinder.conf",),
}
"""What each service's programs read without being told."""


@pytest.fixture(scope="module")
def state() -> NodeState:
    cloud = sample_cloud()
    return node_state(cloud, cloud.spec.nodes[0])


def test_rendering_is_deterministic(state: NodeState) -> None:
    cloud = sample_cloud()
    again = node_state(cloud, cloud.spec.nodes[0])
    assert again == state
    assert again.digest() == state.digest()


def test_waves_come_in_their_order_and_once(state: NodeState) -> None:
    names = [wave.name for wave in state.waves]
    assert names == [name for name in WAVES if name in names]
    assert {"base", "infrastructure", "identity", "services", "final"} <= set(names)


def test_no_secret_outside_protected_files(state: NodeState) -> None:
    secrets = [secret.reveal() for secret in sample_secrets().values()]
    secrets += [VCENTER_PASSWORD, VCENTER_PASSWORD.replace("$", r"\$")]
    said = repr(state.waves) + repr(state)
    readable = [f for f in state.files if f.mode & 0o007]
    for secret in secrets:
        assert secret not in said
        for f in readable:
            assert secret.encode() not in f.content, f.path


def test_every_secret_is_used(state: NodeState) -> None:
    """A secret that no file holds (as such or hashed) was forgotten."""
    content = b"".join(f.content for f in state.files)
    unused = {name for name, secret in sample_secrets().items() if secret.reveal().encode() not in content}
    assert unused == {"metadata_secret"}  # no metadata service without DHCP


def test_units_hold_no_secret_and_no_password_option(state: NodeState) -> None:
    for f in state.files:
        if f.path.startswith("/etc/systemd/system/"):
            assert b"password" not in f.content.lower(), f.path


def test_owners_and_modes(state: NodeState) -> None:
    for f in state.files:
        assert f.path.startswith("/"), f.path
        assert not f.mode & 0o022, f"{f.path} can be written by others than its owner"
        service = re.match(r"/etc/(\w+)/", f.path)
        if service and service.group(1) in SERVICES:
            assert (f.owner, f.group, f.mode) == ("root", service.group(1), 0o640), f.path
    assert file(state, "/etc/viaduct/endpoint.pem").mode == 0o600
    cookie = file(state, "/var/lib/rabbitmq/.erlang.cookie")
    assert (cookie.owner, cookie.mode) == ("rabbitmq", 0o400)


def test_text_files_say_who_manages_them(state: NodeState) -> None:
    exempt = re.compile(
        r"\.(json|pem|crt|py|sql)$|/enabled_plugins$|-keys/\d$|cookie$|/compute_id$|install-database$"
    )
    for f in state.files:
        if not exempt.search(f.path):
            assert f.content.startswith(b"# Managed by viaduct"), f.path


def test_configuration_restarts_a_unit_of_the_state(state: NodeState) -> None:
    units = {unit.name for wave in state.waves for unit in wave.units}
    for f in state.files:
        assert set(f.restarts) <= units, f.path
        if (
            f.path.startswith("/etc/")
            and f.path.endswith((".conf", ".cfg", ".cnf"))
            and "systemd" not in f.path
        ):
            assert f.restarts or "logrotate" in f.path, f"{f.path} changes without effect"


def test_a_unit_restarts_when_a_file_that_it_reads_changes(state: NodeState) -> None:
    managed = {f.path: f for f in state.files}
    checked = 0
    for f in state.files:
        if not f.path.startswith("/etc/systemd/system/viaduct-"):
            continue
        unit = f.path.rpartition("/")[2]
        service = re.search(r"^User=(\w+)$", f.content.decode(), re.MULTILINE)
        assert service is not None
        named = set(re.findall(r"/etc/[\w./-]+\.(?:conf|ini)", f.content.decode()))
        named |= {f"/etc/{service.group(1)}/{main}" for main in MAIN_FILES[service.group(1)]}
        for path in named & set(managed):
            assert unit in managed[path].restarts, f"{unit} reads {path}"
            checked += 1
    assert checked >= 15


def test_each_unit_file_belongs_to_a_running_unit(state: NodeState) -> None:
    units = {unit.name for wave in state.waves for unit in wave.units if unit.running}
    for f in state.files:
        found = re.fullmatch(r"/etc/systemd/system/([^/]+?)(?:\.d/viaduct\.conf)?", f.path)
        if found:
            assert found.group(1) in units, f.path


def test_programs_named_in_commands_are_shipped(state: NodeState) -> None:
    paths = {f.path for f in state.files}
    commands = " ".join(
        part
        for wave in state.waves
        for part in (
            *(text for o in wave.one_shots for text in (o.command, o.probe)),
            *(c.command for c in wave.checks),
        )
    )
    commands += "".join(f.content.decode() for f in state.files if "/systemd/" in f.path)
    named = set(re.findall(r"/usr/local/lib/viaduct/[\w.-]+", commands))
    assert named
    assert named <= paths


@pytest.mark.parametrize(
    "change",
    [
        lambda c: replace(c, secrets={**c.secrets, "nova_password": Secret("another-one-altogether")}),
        lambda c: replace(c, trust=replace(c.trust, vcenter_ca_pem=c.trust.cloud_ca_pem)),
        lambda c: replace(c, spec=replace(c.spec, options={"nova.conf": {"DEFAULT": {"debug": "true"}}})),
        lambda c: replace(c, site=replace(c.site, image_datastore="another-ds")),
    ],
)
def test_digest_follows_what_is_asked(state: NodeState, change: object) -> None:
    cloud = change(sample_cloud())  # type: ignore[operator]
    assert node_state(cloud, cloud.spec.nodes[0]).digest() != state.digest()


def test_options_are_laid_over_last() -> None:
    options = {
        "nova.conf": {"DEFAULT": {"debug": "true", "report_interval": "17"}, "mine": {"x": "y"}},
        "nova-compute.conf": {"vmware": {"cache_prefix": "other"}},
        "90-viaduct.cnf": {"mariadbd": {"max_connections": "77"}},
    }
    cloud = sample_cloud(options=options)
    state = node_state(cloud, cloud.spec.nodes[0])
    nova = ini(state, "/etc/nova/nova.conf")
    assert nova["DEFAULT"]["debug"] == ["true"]
    assert nova["DEFAULT"]["report_interval"] == ["17"]
    assert nova["DEFAULT"]["transport_url"], "the rest stays"
    assert nova["mine"] == {"x": ["y"]}
    compute = ini(state, "/etc/nova/compute/compute/nova-compute.conf")
    assert compute["vmware"]["cache_prefix"] == ["other"]
    assert ini(state, "/etc/mysql/mariadb.conf.d/90-viaduct.cnf")["mariadbd"]["max_connections"] == ["77"]


def test_every_file_that_options_may_name_is_rendered(state: NodeState) -> None:
    rendered = {f.path.rpartition("/")[2] for f in state.files}
    assert set(CONFIG_FILES) <= rendered


def test_options_for_an_unknown_file_are_refused() -> None:
    cloud = sample_cloud(options={"nowa.conf": {"DEFAULT": {"debug": "true"}}})
    with pytest.raises(SpecError, match=r"nowa\.conf") as caught:
        node_state(cloud, cloud.spec.nodes[0])
    assert "nova.conf" in caught.value.remedy


def test_unknown_role_is_refused() -> None:
    cloud = sample_cloud(nodes=(sample_node(roles=("database", "juggler")),))
    with pytest.raises(SpecError, match="juggler"):
        node_state(cloud, cloud.spec.nodes[0])


def test_role_that_no_node_has_is_refused() -> None:
    cloud = sample_cloud(nodes=(sample_node(roles=("identity",)),))
    with pytest.raises(SpecError, match="database"):
        node_state(cloud, cloud.spec.nodes[0])


def test_base_is_on_every_node() -> None:
    cloud = sample_cloud(nodes=(sample_node(roles=("cache",)),))
    state = node_state(cloud, cloud.spec.nodes[0])
    assert file(state, "/etc/hosts")


def test_each_role_stands_alone_when_others_are_elsewhere() -> None:
    """With a role a node, services find the others by address, and nothing is rendered twice."""
    nodes = tuple(sample_node(f"n{i}", (role,), 100 + i) for i, role in enumerate(ROLES))
    cloud = sample_cloud(nodes=nodes)
    address = {role: str(node.management_address) for node, role in zip(nodes, ROLES, strict=True)}
    for node in nodes:
        node_state(cloud, node)
    compute = nodes[ROLES.index("compute")]
    nova = ini(node_state(cloud, compute), "/etc/nova/nova.conf")
    assert f"@{address['database']}:3306/" in nova["database"]["connection"][0]
    assert f"@{address['messaging']}:5672//" in nova["DEFAULT"]["transport_url"][0]
    database = node_state(cloud, nodes[ROLES.index("database")])
    settings = ini(database, "/etc/mysql/mariadb.conf.d/90-viaduct.cnf")["mariadbd"]
    assert settings["bind-address"] == [address["database"]]


def test_vcenter_on_another_port_is_refused_with_a_reason() -> None:
    cloud = sample_cloud(site=sample_site(vcenter_port=8443))
    with pytest.raises(SpecError, match="443"):
        node_state(cloud, cloud.spec.nodes[0])


def test_hosts_name_all_nodes() -> None:
    nodes = (sample_node(), sample_node("node2", ("cache",), 101))
    cloud = sample_cloud(nodes=(replace(nodes[0], roles=tuple(r for r in ROLES if r != "cache")), nodes[1]))
    hosts = text(node_state(cloud, cloud.spec.nodes[0]), "/etc/hosts")
    assert "10.70.0.100 c1-node1 node1\n" in hosts
    assert "10.70.0.101 c1-node2 node2\n" in hosts


def test_time_servers_are_used_when_the_site_has_some() -> None:
    without = sample_cloud()
    state = node_state(without, without.spec.nodes[0])
    assert not [f for f in state.files if "chrony" in f.path]
    cloud = sample_cloud(site=sample_site(ntp=("ntp1.example.org", "10.70.0.1")))
    state = node_state(cloud, cloud.spec.nodes[0])
    sources = text(state, "/etc/chrony/sources.d/viaduct.sources")
    assert "server ntp1.example.org iburst\nserver 10.70.0.1 iburst\n" in sources
    assert "chrony.service" in {unit.name for wave in state.waves for unit in wave.units}


def test_clusters_have_a_compute_service_each() -> None:
    clusters = (
        ComputeCluster("compute", ("compute-ds",)),
        ComputeCluster("Compute $ Cluster/2", ("ds.1", "ds(2)$x")),
    )
    cloud = sample_cloud(site=sample_site(compute=clusters))
    state = node_state(cloud, cloud.spec.nodes[0])
    files = [f.path for f in state.files if f.path.endswith("/nova-compute.conf")]
    assert len(files) == 2
    hosts = {path.split("/")[-2] for path in files}
    assert all(re.fullmatch(r"[A-Za-z0-9.-]+", host) for host in hosts)
    identities = {text(state, f"/etc/nova/compute/{host}/compute_id") for host in hosts}
    assert len(identities) == 2
    paths = {ini(state, path)["DEFAULT"]["state_path"][0] for path in files}
    assert len(paths) == 2
