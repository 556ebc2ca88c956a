"""Command lines that boot a guest."""

import subprocess
from pathlib import Path

import pytest

from viaduct_lab.guests import boot

CONTAINER = boot.Container(
    vm_id="vm-7",
    uuid="42000000-0000-4000-8000-000000000007",
    root=Path("/lab/guests/vm-7/root"),
    binds=((Path("/lab/a:b/host"), "/run/lab/host", False), (Path("/lab/guest"), "/run/lab/guest", True)),
    init_arguments=("ds=VMware",),
)


def test_nspawn_options():
    command = boot.nspawn_command(CONTAINER)
    assert command[0] == "systemd-nspawn"
    # Each was found to be needed: see the module and docs.
    for option in (
        "--boot", "--register=no", "--keep-unit", "--resolv-conf=off", "--capability=CAP_NET_ADMIN",
        "--console=read-only", "--machine=vm-7", "--directory=/lab/guests/vm-7/root",
        "--uuid=42000000-0000-4000-8000-000000000007",
    ):  # fmt: skip
        assert option in command
    assert command[-1] == "ds=VMware"


def test_binds_are_escaped_and_read_only_unless_said():
    command = boot.nspawn_command(CONTAINER)
    assert r"--bind-ro=/lab/a\:b/host:/run/lab/host" in command
    assert "--bind=/lab/guest:/run/lab/guest" in command


def test_no_uuid_no_option():
    command = boot.nspawn_command(boot.Container("vm-1", "", Path("/r"), ()))
    assert not any(option.startswith("--uuid") for option in command)


def test_everything_ends_with_its_namespace():
    command = boot.boot_command(CONTAINER, 2, ("/cg/memory/x",))
    assert command[0] == "unshare"
    assert {"--net", "--pid", "--mount", "--uts", "--ipc", "--kill-child=SIGKILL"} <= set(command)


@pytest.mark.parametrize(
    ("vm_id", "name"), [("vm-1", "vm-1"), ("a_b.c", "a-b-c"), ("--", "guest"), ("x" * 99, "x" * 60)]
)
def test_machine_names(vm_id, name):
    assert boot.machine_name(vm_id) == name


@pytest.mark.parametrize(
    ("layers", "lower"), [(1, "l/0"), (2, "l/1:l/0"), (12, ":".join(f"l/{i}" for i in range(11, -1, -1)))]
)
def test_the_script_mounts_the_top_layer_first_and_joins_the_groups(tmp_path, layers, lower):
    """The script runs for real, with a ``mount`` that only notes what it is asked for."""
    tools, group = tmp_path / "bin", tmp_path / "group"
    tools.mkdir()
    group.mkdir()
    (tools / "mount").write_text(f'#!/bin/sh\necho "$*" >>{tmp_path}/mounts\n')
    (tools / "mount").chmod(0o755)
    done = subprocess.run(
        ["sh", "-c", boot.SCRIPT, "guest", str(layers), str(group), "--", "echo", "booted", "a b"],
        env={"PATH": f"{tools}:/usr/bin:/bin"},
        input="go\n",
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "ready\n"
    assert done.stderr == "booted a b\n"
    assert (group / "cgroup.procs").read_text() == "0\n"
    overlay, run = (tmp_path / "mounts").read_text().splitlines()
    assert f"lowerdir={lower},upperdir=u,workdir=w" in overlay
    assert run.endswith("/run")


def test_the_script_does_not_boot_when_its_launcher_is_gone(tmp_path):
    tools = tmp_path / "bin"
    tools.mkdir()
    (tools / "mount").write_text("#!/bin/sh\n")
    (tools / "mount").chmod(0o755)
    done = subprocess.run(
        ["sh", "-c", boot.SCRIPT, "guest", "1", "--", "echo", "booted"],
        env={"PATH": f"{tools}:/usr/bin:/bin"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
    )
    assert done.returncode != 0
    assert "booted" not in done.stderr
