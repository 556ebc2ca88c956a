"""The built image: what the manager, the lab and the tests of the drivers rely on."""

from __future__ import annotations

import gzip
import json
import os
import stat
from pathlib import Path

import pytest
from imagebuild import secrets_check
from imagebuild.base import FIRST_ID, SERVICES
from imagebuild.sandbox import Root, Sandbox

pytestmark = pytest.mark.lab

DATABASES = ("cinder", "glance", "keystone", "neutron", "nova", "nova_api", "nova_cell0", "placement")
PASTE = ("nova/api-paste.ini", "neutron/api-paste.ini", "glance/glance-api-paste.ini", "cinder/api-paste.ini")


@pytest.fixture(scope="module")
def layers(image: Path) -> list[Path]:
    manifest = json.loads((image / "manifest.json").read_text())
    return [(image / layer).resolve() for layer in manifest["layers"]]


def top(layers: list[Path], name: str) -> Path:
    """Where the merged tree has `name` from."""
    return next(layer / name for layer in reversed(layers) if os.path.lexists(layer / name))


def run(layers: list[Path], scratch: Path, script: str) -> str:
    """Output of a shell script in a throw-away copy of the image."""
    log = scratch / "log"
    root = Root(scratch / "upper", scratch, tuple(layers))
    status = Sandbox().chroot(root, ["sh", "-euc", script], log)
    text = log.read_text()
    assert status == 0, text[-3000:]
    return text


def test_the_manifest_describes_the_image(image: Path, layers: list[Path]) -> None:
    manifest = json.loads((image / "manifest.json").read_text())
    assert [layer.name.split("-")[0] for layer in layers] == ["base", "openstack", "schemas", "viaduct"]
    assert sorted(manifest["revisions"]) == list(DATABASES)
    assert all(manifest["revisions"].values())
    inside = json.loads(top(layers, "usr/share/viaduct/appliance.json").read_text())
    assert inside == {key: manifest[key] for key in ("id", "version", "revisions")}
    assert inside["id"] == image.resolve().name


def test_nothing_in_it_belongs_to_one_machine(layers: list[Path]) -> None:
    assert secrets_check.problems(layers) == []


def test_service_users_have_their_ids_and_folders(layers: list[Path]) -> None:
    passwd = dict(line.split(":", 1) for line in top(layers, "etc/passwd").read_text().splitlines())
    for number, name in enumerate(SERVICES, FIRST_ID):
        assert passwd[name].split(":")[1:3] == [str(number)] * 2
        home, settings = top(layers, f"var/lib/{name}").stat(), top(layers, f"etc/{name}").stat()
        assert (home.st_uid, home.st_gid) == (number, number)
        assert (settings.st_uid, settings.st_gid) == (0, number)
        assert stat.S_IMODE(settings.st_mode) == 0o750


def test_only_a_few_daemons_start_by_themselves(layers: list[Path]) -> None:
    wants = "etc/systemd/system/multi-user.target.wants"
    for unit in ("mariadb", "rabbitmq-server", "memcached", "haproxy", "keepalived", "openvswitch-switch"):
        path = top(layers, f"{wants}/{unit}.service")
        assert stat.S_ISCHR(path.lstat().st_mode), f"{unit} is enabled: no whiteout over its link"
    for unit in ("ssh", "rsyslog", "systemd-networkd", "viaduct-announce", "viaduct-hostkey"):
        assert top(layers, f"{wants}/{unit}.service").is_symlink()
    for unit in ("mariadb.socket", "epmd.socket"):
        assert os.readlink(top(layers, f"etc/systemd/system/{unit}")) == "/dev/null"


def test_the_dumps_are_complete_and_hold_no_login(layers: list[Path]) -> None:
    folder = top(layers, "usr/share/viaduct/schemas")
    revisions = json.loads((folder / "revisions.json").read_text())
    for name in DATABASES:
        text = gzip.decompress((folder / f"{name}.sql.gz").read_bytes()).decode()
        assert all(f"'{revision}'" in text for revision in revisions[name])
        assert "://" not in text.replace("none:///", "").replace("{scheme}://{username}:{password}@", "")
    cells = gzip.decompress((folder / "nova_api.sql.gz").read_bytes()).decode()
    login = "{scheme}://{username}:{password}@{hostname}:{port}"
    for value in (f"{login}/nova_cell0?{{query}}", f"{login}/{{path}}?{{query}}", f"'{login}//'"):
        assert value in cells


def test_bytecode_is_compiled(layers: list[Path]) -> None:
    packages = layers[1] / "opt/openstack/lib/python3.13/site-packages"
    for package in ("nova", "neutron", "cinder", "glance", "keystone", "placement", "oslo_messaging"):
        sources = [path for path in (packages / package).rglob("*.py") if path.stat().st_size]
        compiled = list((packages / package).rglob("*.pyc"))
        assert sources
        assert len(compiled) >= 0.98 * len(sources)


def test_api_pastes_and_programs_are_there(layers: list[Path]) -> None:
    for name in PASTE:
        assert top(layers, f"opt/openstack/etc/{name}").is_file()
    for name in ("uwsgi", "nova-compute", "cinder-volume", "openstack", "keystone-manage"):
        assert os.access(top(layers, f"opt/openstack/bin/{name}"), os.X_OK)


@pytest.mark.parametrize(
    "modules",
    [
        "nova.cmd.compute nova.virt.vmwareapi.driver",
        "nova.cmd.scheduler nova.cmd.conductor",
        "cinder.volume.drivers.vmware.vmdk cinder.cmd.volume cinder.cmd.scheduler",
        "glance_store._drivers.vmware_datastore",
        "neutron.plugins.ml2.plugin pyroute2",
        "openstackclient.shell osc_placement.plugin pymysql pymemcache",
    ],
)
def test_drivers_and_services_import(layers: list[Path], tmp_path: Path, modules: str) -> None:
    statements = "; ".join(f"import {module}" for module in modules.split())
    run(layers, tmp_path, f"/opt/openstack/bin/python -W ignore -c '{statements}'")


def test_our_drivers_are_registered(layers: list[Path], tmp_path: Path) -> None:
    script = (
        "import importlib.metadata as m; "
        'group = m.entry_points(group="neutron.ml2.mechanism_drivers"); print(group["viaduct_dvs"].load())'
    )
    assert "viaduct_drivers" in run(layers, tmp_path, f"/opt/openstack/bin/python -W ignore -c '{script}'")
