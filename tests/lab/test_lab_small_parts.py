"""Addresses, console, guest folders, records, preflight."""

import json
import os
from pathlib import Path

import pytest

from viaduct_lab.guests import addresses
from viaduct_lab.guests.console import open_console, tail
from viaduct_lab.guests.directory import BootRecord, ExitRecord, GuestDirectory
from viaduct_lab.guests.launcher import is_init
from viaduct_lab.guests.runtime import GuestNic, GuestSpec
from viaduct_lab.lab import preflight, record
from viaduct_lab.lab.errors import DiskFull, NotALab, StateUnfit
from viaduct_lab.lab.record import LabPaths, LabRecord

NIC = GuestNic(0, "00:50:56:00:00:01", "dvs", 11, trunk=False, connected=True)
SPEC = GuestSpec(
    vm_id="vm-1",
    name="node",
    bios_uuid="4200",
    cpus=2,
    memory_mb=512,
    layers=(Path("/l/a"), Path("/l/b")),
    upper=Path("/u"),
    work=Path("/w"),
    console=None,
    nics=(NIC,),
    guestinfo={"userdata": "secret"},
)


def test_addresses_by_mac_ipv4_first():
    text = json.dumps(
        [
            {
                "ifname": "lo",
                "link_type": "loopback",
                "address": "00:00:00:00:00:00",
                "addr_info": [{"local": "127.0.0.1", "prefixlen": 8}],
            },
            {
                "ifname": "eth0",
                "link_type": "ether",
                "address": "00:50:56:AA:00:01",
                "addr_info": [
                    {"family": "inet6", "local": "fe80::1", "prefixlen": 64, "scope": "link"},
                    {"family": "inet6", "local": "2001:db8::1", "prefixlen": 64, "scope": "global"},
                    {"family": "inet", "local": "10.0.0.5", "prefixlen": 24, "scope": "global"},
                ],
            },
            {"ifname": "eth1", "link_type": "ether", "address": "00:50:56:aa:00:02", "addr_info": []},
            {},
        ]
    )  # fmt: skip
    assert addresses.parse(text) == {
        "00:50:56:aa:00:01": ("10.0.0.5/24", "2001:db8::1/64", "fe80::1/64"),
        "00:50:56:aa:00:02": (),
    }


def test_addresses_of_a_guest_that_is_gone():
    assert addresses.read(2**22 + 1) == ("", {})


def test_console_is_private_and_marks_each_boot(tmp_path):
    path = tmp_path / "vm" / "console.log"
    for boot in (1, 2):
        descriptor = open_console(path, "node", boot)
        os.write(descriptor, b"hello\n")
        os.close(descriptor)
    assert path.stat().st_mode & 0o777 == 0o600
    text = path.read_text()
    assert text.index("node: boot 1 at ") < text.index("hello") < text.index("node: boot 2 at ")
    assert text.count("hello") == 2


def test_a_console_that_was_open_to_all_is_closed(tmp_path):
    path = tmp_path / "console.log"
    path.touch(mode=0o644)
    os.close(open_console(path, "node", 1))
    assert path.stat().st_mode & 0o777 == 0o600


def test_tail(tmp_path):
    assert tail(tmp_path / "none") == ""
    (tmp_path / "log").write_text("x" * 100 + "end\n")
    assert tail(tmp_path / "log", 4) == "end"


def test_a_guests_folder_keeps_its_description_but_no_secret(tmp_path):
    directory = GuestDirectory(tmp_path / "vm-1")
    directory.prepare()
    directory.save_spec(SPEC)
    kept = directory.spec()
    assert kept.guestinfo == {}
    assert (kept.layers, kept.upper, kept.nics, kept.memory_mb) == (SPEC.layers, SPEC.upper, SPEC.nics, 512)
    assert not any("secret" in p.read_text() for p in directory.path.iterdir() if p.is_file())
    assert (directory.path / "spec.json").stat().st_mode & 0o777 == 0o600


def test_records_of_boot_and_end(tmp_path):
    directory = GuestDirectory(tmp_path / "vm-1")
    directory.prepare()
    assert directory.boot() is None
    assert directory.exit() is None
    boot = BootRecord(2, 100, 101, ("/cg/a",))
    directory.save_boot(boot)
    directory.save_exit(ExitRecord("power-off"))
    assert directory.boot() == boot
    assert directory.exit() == ExitRecord("power-off")
    directory.prepare()
    assert directory.boot() is None
    assert directory.exit() is None


def test_this_process_is_no_guests_init():
    assert not is_init(os.getpid(), os.getppid())
    assert not is_init(2**22 + 1, os.getpid())


def test_the_labs_record(tmp_path):
    paths = LabPaths(tmp_path)
    assert record.load(paths) is None
    lab = LabRecord("ab12", "10.70.0.0/24", "10.70.1.0/24", guests=True, image="/i/manifest.json")
    record.save(paths, lab)
    assert record.load(paths) == lab


@pytest.mark.parametrize(
    "text", ["", "{", "[]", '{"id": "x"}', '{"id":"a","management":"x","external":"y","guests":true}']
)
def test_a_damaged_record_is_an_error_with_a_remedy(tmp_path, text):
    (tmp_path / "lab.json").write_text(text)
    with pytest.raises(NotALab) as caught:
        record.load(LabPaths(tmp_path))
    assert "purge" in caught.value.remedy


def test_packages_are_listed_once_and_for_all_tools():
    assert set(preflight.PACKAGE_OF_TOOL.values()) == set(preflight.required_packages())


def test_missing_packages(monkeypatch):
    monkeypatch.setattr(
        preflight.shutil, "which", lambda tool, path: None if "ovs" in tool or tool == "nft" else tool
    )
    assert preflight.missing_packages() == ("nftables", "openvswitch-switch")


def test_a_full_disk(monkeypatch, tmp_path):
    monkeypatch.setattr(preflight.shutil, "disk_usage", lambda path: os.terminal_size((0, 0)) and _Usage())
    with pytest.raises(DiskFull, match=r"1\.0 GB are free"):
        preflight.require_state(tmp_path, guests=False)


class _Usage:
    free = 10**9


def test_paths_too_long_for_sockets(tmp_path):
    deep = tmp_path / ("d" * 100)
    deep.mkdir()
    with pytest.raises(StateUnfit, match="too long"):
        preflight.require_state(deep, guests=False)
