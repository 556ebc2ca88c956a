"""guestinfo: the shared folders, the guest's command, what cloud-init gets."""

import base64
import gzip
import os
import random
import string
import subprocess
from pathlib import Path

import pytest

import viaduct_lab.guests.guestinfo as module
from viaduct_lab.guests.guestinfo import Guestinfo, GuestinfoError, cloud_init_environment

RPCTOOL = Path(module.__file__).parent / "vmware-rpctool"


@pytest.fixture
def shared(tmp_path):
    return tmp_path / "shared"


@pytest.fixture
def info(shared):
    info = Guestinfo(shared)
    info.prepare({"metadata": "a: 1\nb: 2\n", "hello": "world one"})
    return info


def rpctool(shared, *arguments):
    return subprocess.run(
        ["sh", str(RPCTOOL), *arguments],
        env={"PATH": "/usr/bin:/bin", "VIADUCT_LAB_SHARED": str(shared)},
        capture_output=True,
        text=True,
    )


@pytest.mark.parametrize("arguments", [("info-get guestinfo.hello",), ("info-get", "guestinfo.hello")])
def test_get(shared, info, arguments):
    done = rpctool(shared, *arguments)
    assert (done.returncode, done.stdout, done.stderr) == (0, "world one\n", "")


def test_get_keeps_lines(shared, info):
    assert rpctool(shared, "info-get guestinfo.metadata").stdout == "a: 1\nb: 2\n\n"


@pytest.mark.parametrize(
    "command",
    [
        "info-get guestinfo.nope",
        "info-get guestinfo.",
        "info-get nope",
        "info-get guestinfo.../../host/hello",
        "info-get guestinfo..cloud-init.env",
        "info-get",
    ],
)
def test_get_of_nothing_says_what_the_real_tool_says(shared, info, command):
    done = rpctool(shared, command)
    # cloud-init compares this text exactly: no line end.
    assert (done.returncode, done.stdout, done.stderr) == (1, "", "No value found")


@pytest.mark.parametrize("command", ["", "nonsense", "info-set nope 1", "info-set guestinfo.a/b 1"])
def test_unknown_commands(shared, info, command):
    done = rpctool(shared, command)
    assert (done.returncode, done.stderr) == (1, "Unknown command")
    assert info.from_guest() == {}


@pytest.mark.parametrize(
    ("arguments", "value"),
    [
        (("info-set guestinfo.viaduct.hostkey ssh-ed25519 AAAA root@x",), "ssh-ed25519 AAAA root@x"),
        (("info-set", "guestinfo.viaduct.hostkey", "ssh-ed25519 AAAA root@x"), "ssh-ed25519 AAAA root@x"),
        (("info-set guestinfo.viaduct.hostkey   two  spaces * $HOME",), "  two  spaces * $HOME"),
        (("info-set guestinfo.viaduct.hostkey one\ntwo",), "one\ntwo"),
    ],
)
def test_set_is_seen_on_both_sides(shared, info, arguments, value):
    assert rpctool(shared, *arguments).returncode == 0
    assert info.from_guest() == {"viaduct.hostkey": value}
    assert rpctool(shared, "info-get guestinfo.viaduct.hostkey").stdout == f"{value}\n"


def test_set_to_nothing_hides_a_value(shared, info):
    assert rpctool(shared, "info-set guestinfo.hello ").returncode == 0
    assert rpctool(shared, "info-get guestinfo.hello").returncode == 1


def test_the_guest_overrides_and_news_from_the_host_overrides_that(shared, info):
    rpctool(shared, "info-set guestinfo.hello mine")
    info.replace({"hello": "world one", "other": "x"}, {"other"})
    assert rpctool(shared, "info-get guestinfo.hello").stdout == "mine\n"
    info.replace({"hello": "world one"}, {"hello"})  # said again: the last word counts
    assert rpctool(shared, "info-get guestinfo.hello").stdout == "world one\n"
    assert rpctool(shared, "info-get guestinfo.other").returncode == 1
    rpctool(shared, "info-set guestinfo.own mine")
    info.replace({}, {"hello", "own", "../host/x"})
    assert rpctool(shared, "info-get guestinfo.own").returncode == 1
    assert info.from_guest() == {}


def test_a_change_by_the_guest_is_noticed(shared, info):
    before = info.changed_at()
    rpctool(shared, "info-set guestinfo.a 1")
    assert info.changed_at() != before


def test_keys_that_cannot_be_files_stay_outside(shared, tmp_path):
    info = Guestinfo(shared)
    info.prepare({"../../escape": "x", ".cloud-init.env": "x", "a b": "x", "": "x", "good": "y"})
    assert not (tmp_path / "escape").exists()
    assert rpctool(shared, "info-get guestinfo.good").stdout == "y\n"
    assert info.init_arguments() == ()


def test_a_link_made_by_the_guest_is_not_followed(shared, info, tmp_path):
    (tmp_path / "secret").write_text("x")
    (shared / "guest" / "leak").symlink_to(tmp_path / "secret")
    assert info.from_guest() == {}


def test_shared_files_are_for_root_only(shared, info):
    assert (shared / "host" / "hello").stat().st_mode & 0o777 == 0o600
    assert shared.stat().st_mode & 0o777 == 0o700


def test_tools_marker_ends_with_the_boot(shared, info):
    assert not info.tools_running()
    (shared / "guest" / ".tools").touch()
    assert info.tools_running()
    assert info.from_guest() == {}
    info.new_boot()
    assert not info.tools_running()


def test_binds_exist_and_only_one_is_writable(shared, info):
    assert all(source.exists() for source, _, _ in info.binds())
    assert [source for source, _, writable in info.binds() if writable] == [shared / "guest"]


# What cloud-init gets


def parse(environment):
    return dict(line.split("=", 1) for line in environment.splitlines())


def test_plain_values_go_in_base64():
    variables = parse(
        cloud_init_environment({"metadata": 'a: "x y"\n', "userdata": "#cloud-config\n", "other": "z"})
    )
    assert variables["VMX_GUESTINFO"] == "1"
    assert base64.b64decode(variables["VMX_GUESTINFO_METADATA"]) == b'a: "x y"\n'
    assert variables["VMX_GUESTINFO_METADATA_ENCODING"] == "base64"
    assert base64.b64decode(variables["VMX_GUESTINFO_USERDATA"]) == b"#cloud-config\n"
    assert "VMX_GUESTINFO_VENDORDATA" not in variables
    assert not any("OTHER" in name for name in variables)


def test_encoded_values_pass_as_they_are_but_on_one_line():
    packed = base64.encodebytes(gzip.compress(b"x" * 5000, mtime=0)).decode()
    values = {"userdata": packed, "userdata.encoding": "gzip+base64"}
    variables = parse(cloud_init_environment(values))
    assert variables["VMX_GUESTINFO_USERDATA_ENCODING"] == "gzip+base64"
    assert gzip.decompress(base64.b64decode(variables["VMX_GUESTINFO_USERDATA"])) == b"x" * 5000


@pytest.mark.parametrize("values", [{}, {"other": "x"}, {"metadata": ""}, {"metadata": " \n"}])
def test_nothing_for_cloud_init(shared, values):
    assert cloud_init_environment(values) == ""
    info = Guestinfo(shared)
    info.prepare(values)
    assert info.init_arguments() == ()
    assert not (shared / "host" / ".cloud-init.env").exists()


def test_cloud_init_is_told_where_to_look(shared, info):
    assert info.init_arguments() == ("ds=VMware",)
    assert (shared / "host" / ".cloud-init.env").stat().st_mode & 0o777 == 0o600
    info.replace({})
    assert info.init_arguments() == ()


def test_long_values_are_packed_and_too_long_ones_refused():
    text = "y" * 200_000
    variables = parse(cloud_init_environment({"userdata": text}))
    assert variables["VMX_GUESTINFO_USERDATA_ENCODING"] == "gzip+base64"
    assert gzip.decompress(base64.b64decode(variables["VMX_GUESTINFO_USERDATA"])).decode() == text
    noise = "".join(random.Random(1).choices(string.ascii_letters + string.digits, k=300_000))
    with pytest.raises(GuestinfoError, match=r"guestinfo\.userdata"):
        cloud_init_environment({"userdata": noise})


def test_the_kernel_takes_the_longest_variable():
    value = "x" * module._VARIABLE_LIMIT
    subprocess.run(["true"], env={**os.environ, "VMX_GUESTINFO_VENDORDATA": value}, check=True)
