"""The recipe's own files: lock, packages, units, and the scripts that run in a node."""

from __future__ import annotations

import base64
import os
import re
import subprocess
from pathlib import Path

import pytest
import yaml
from imagebuild.base import SERVICES
from imagebuild.hashing import read_list
from imagebuild.viaduct import _MASKED

RECIPE = Path(__file__).resolve().parents[2] / "appliance"
FILES = RECIPE / "files"
ADDRESS = re.compile(r"\w+://|\b[\w-]+(\.[\w-]+)*\.(org|com|net|io|dev)\b")


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def locked() -> dict[str, str]:
    text = (RECIPE / "openstack.lock").read_text()
    return {normal(m[1]): m[2] for m in re.finditer(r"^([A-Za-z0-9_.-]+)==([^\s;\\]+)", text, re.MULTILINE)}


def test_the_lock_holds_names_versions_and_hashes_only() -> None:
    for line in (RECIPE / "openstack.lock").read_text().splitlines():
        assert not ADDRESS.search(line), line
        assert re.fullmatch(r"[A-Za-z0-9_.-]+==\S+( ; .*)? \\| {4}--hash=sha256:[0-9a-f]{64}( \\)?", line), (
            line
        )


def test_every_locked_package_has_a_hash() -> None:
    blocks = re.split(r"^(?=\S)", (RECIPE / "openstack.lock").read_text(), flags=re.MULTILINE)
    assert all("--hash=" in block for block in blocks if block.strip())
    assert len(locked()) > 150


def test_the_lock_follows_its_inputs() -> None:
    pins = locked()
    for line in read_list(RECIPE / "openstack.in"):
        name, _, version = line.partition("==")
        name = normal(name.split("[")[0])
        assert name in pins, f"{name} is not locked: run appliance/update-lock"
        assert not version or pins[name] == version, f"{name}: run appliance/update-lock"
    for line in read_list(RECIPE / "constraints.txt"):
        name, version = line.split(";")[0].strip().split("==")
        assert pins.get(normal(name), version) == version, f"{name} is not at its constraint"


@pytest.mark.parametrize(
    "path",
    sorted(p for p in RECIPE.rglob("*") if p.is_file() and p.suffix in ("", ".py", ".txt", ".in", ".cfg")),
    ids=lambda path: str(path.relative_to(RECIPE)),
)
def test_no_file_names_a_registry_or_mirror(path: Path) -> None:
    hosts = r"(deb|security|ftp)[\w.-]*\.debian\.org|pypi\.(org|python)|pythonhosted|https?://[\w.-]+"
    assert not re.search(hosts, path.read_text())


def test_package_lists_have_no_doubles() -> None:
    for name in ("base-packages.txt", "builder-packages.txt", "host-packages.txt"):
        entries = read_list(RECIPE / name)
        assert len(entries) == len(set(entries))
    assert not {"gcc", "python3-dev", "libc6-dev"} & set(read_list(RECIPE / "base-packages.txt"))


def test_cloud_init_is_quick_and_looks_in_guestinfo_only() -> None:
    config = yaml.safe_load((FILES / "etc/cloud/cloud.cfg").read_text())
    assert config["datasource_list"] == ["VMware", "None"]
    assert config["ssh_genkeytypes"] == ["ed25519"]
    assert {"users_groups", "ssh", "set_hostname"} <= set(config["cloud_init_modules"])
    stages = ("cloud_init_modules", "cloud_config_modules", "cloud_final_modules")
    modules = [module for stage in stages for module in config[stage]]
    assert not [module for module in modules if module.startswith(("package", "apt", "growpart"))]


def test_only_the_named_units_start_by_themselves() -> None:
    lines = (FILES / "etc/systemd/system-preset/00-viaduct.preset").read_text().splitlines()
    rules = [line for line in lines if not line.startswith("#")]
    assert rules[-1] == "disable *"
    enabled = {rule.split()[1] for rule in rules[:-1]}
    assert {"ssh.service", "systemd-networkd.service", "cloud-*.service", "rsyslog.service"} <= enabled
    assert not enabled & {
        "mariadb.service",
        "rabbitmq-server.service",
        "haproxy.service",
        "viaduct-*.service",
    }
    assert {"mariadb.socket", "epmd.socket"} <= set(_MASKED)


def test_service_users_are_those_of_the_schemas() -> None:
    assert SERVICES == ("keystone", "glance", "placement", "nova", "neutron", "cinder")


def rpctool(folder: Path, **values: str) -> dict[str, str]:
    """A stand-in for vmware-rpctool that serves `values` and records info-set; returns the environment."""
    for key, value in values.items():
        (folder / f"guestinfo.{key}").write_text(value)
    tool = folder / "vmware-rpctool"
    tool.write_text(
        f'#!/bin/sh\nset -- $1\ncase $1 in\ninfo-get) cat "{folder}/$2" 2>/dev/null;;\n'
        f'info-set) key=$2; shift 2; echo "$*" >"{folder}/$key";;\nesac\n'
    )
    tool.chmod(0o755)
    return {"PATH": f"{folder}:{os.environ['PATH']}"}


def test_guestinfo_becomes_cloud_inits_environment(tmp_path: Path) -> None:
    packed = base64.b64encode(b"instance-id: a").decode()
    env = rpctool(
        tmp_path, **{"metadata": packed, "metadata.encoding": "base64", "userdata": "#cloud-config\n{}\n"}
    )
    target = tmp_path / "run/guestinfo.env"
    subprocess.run([str(FILES / "usr/lib/viaduct/guestinfo"), str(target)], check=True, env=env)
    values = dict(line.split("=", 1) for line in target.read_text().splitlines())
    assert values["VMX_GUESTINFO"] == "1"
    assert values["VMX_GUESTINFO_METADATA"] == f'"{packed}"'
    assert values["VMX_GUESTINFO_METADATA_ENCODING"] == '"base64"'
    assert base64.b64decode(values["VMX_GUESTINFO_USERDATA"].strip('"')) == b"#cloud-config\n{}"
    assert "VMX_GUESTINFO_VENDORDATA" not in values
    assert target.stat().st_mode & 0o077 == 0


def test_the_host_key_is_made_once_and_published(tmp_path: Path) -> None:
    env = rpctool(tmp_path)
    key = tmp_path / "key"
    command = [str(FILES / "usr/lib/viaduct/publish-hostkey"), str(key)]
    subprocess.run(command, check=True, env=env)
    first = (tmp_path / "guestinfo.viaduct.hostkey").read_text().split()
    assert first[0] == "ssh-ed25519"
    assert first == key.with_suffix(".pub").read_text().split()[:2]
    key.with_suffix(".pub").unlink()
    subprocess.run(command, check=True, env=env)
    assert (tmp_path / "guestinfo.viaduct.hostkey").read_text().split() == first


def test_a_machine_without_vmware_tools_starts_all_the_same(tmp_path: Path) -> None:
    command = [str(FILES / "usr/lib/viaduct/publish-hostkey"), str(tmp_path / "key")]
    done = subprocess.run(command, capture_output=True, text=True, env={"PATH": "/usr/bin:/bin"})
    assert done.returncode == 0
    assert "could not be published" in done.stderr or (Path("/usr/bin/vmware-rpctool")).exists()
