"""Installing Debian packages: none of their daemons starts, now or at the next boot."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest

HOME = Path(__file__).parents[2]
UNIT = "[Unit]\nDescription=x\n[Service]\nExecStart=/bin/true\n[Install]\nWantedBy=multi-user.target\n"

pytestmark = pytest.mark.skipif(
    not shutil.which("systemctl"), reason="needs systemctl (not a running systemd)"
)

APT = """\
#!/bin/bash
# Stands in for apt-get: leaves what a package with a daemon leaves.
echo "$*" >>"$MACHINE/calls"
[ "$1" = install ] || exit 0
cp -p "$MACHINE/usr/sbin/policy-rc.d" "$MACHINE/policy-seen" 2>/dev/null
[ ! -e "$MACHINE/slow" ] || { touch "$MACHINE/started"; exec sleep 30; }
for unit in daemon.service daemon.socket quiet.service; do
    printf '%s' "$UNIT" >"$MACHINE/lib/systemd/system/$unit"
done
for unit in daemon.service daemon.socket upgraded.service; do
    systemctl --root="$MACHINE" enable "$unit" >/dev/null 2>&1
done
[ ! -e "$MACHINE/broken" ]
"""


class Machine:
    """A file system with two units of its own, and commands that pretend to install."""

    def __init__(self, root: Path) -> None:
        self.root = root
        for folder in ("etc/systemd/system", "lib/systemd/system", "usr/sbin", "bin"):
            (root / folder).mkdir(parents=True)
        for name in ("own.service", "upgraded.service", "off.service"):
            (root / "lib/systemd/system" / name).write_text(UNIT)
        subprocess.run(["systemctl", f"--root={root}", "-q", "enable", "own.service"], check=True)
        for name, text in (
            ("apt-get", APT),
            ("dpkg-query", '#!/bin/sh\n[ "$4" = there ] && printf "install ok installed"\n'),
            ("id", "#!/bin/sh\necho 0\n"),
        ):
            (root / "bin" / name).write_text(text)
            (root / "bin" / name).chmod(0o755)

    @property
    def policy(self) -> Path:
        return self.root / "usr/sbin/policy-rc.d"

    def start(self, *packages: str) -> subprocess.Popen[str]:
        script = (
            f'set -euo pipefail; . "{HOME}/launcher/environment.sh"; viaduct_root=$MACHINE; '
            'viaduct_packages "for a test" "$@"; echo went on'
        )
        environment = {
            **os.environ,
            "PATH": f"{self.root}/bin:{os.environ['PATH']}",
            "MACHINE": str(self.root),
            "UNIT": UNIT,
            "TMPDIR": str(self.root),
        }
        return subprocess.Popen(
            ["bash", "-c", script, "bash", *packages],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=environment,
            start_new_session=True,
        )

    def install(self, *packages: str) -> tuple[int, str]:
        """(status, what it said)."""
        child = self.start(*packages)
        out, errors = child.communicate(timeout=20)
        return child.returncode, out + errors

    def enabled(self) -> set[str]:
        listed = subprocess.run(
            ["systemctl", f"--root={self.root}", "list-unit-files", "--state=enabled", "--no-legend"],
            capture_output=True,
            text=True,
        )
        return {line.split()[0] for line in listed.stdout.splitlines()}


def appears(path: Path) -> None:
    """Wait until ``path`` exists, and a little longer, for who made it to go on."""
    deadline = time.monotonic() + 10
    while not path.exists():
        assert time.monotonic() < deadline
        time.sleep(0.02)
    time.sleep(0.2)


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path / "machine")


def test_new_daemons_stay_off_and_the_machines_own_are_left_alone(machine: Machine) -> None:
    status, said = machine.install("thing", "there")
    assert status == 0, said
    assert "went on" in said
    assert (machine.root / "calls").read_text() == "install -y -q --no-install-recommends thing\n"
    assert "exit 101" in (machine.root / "policy-seen").read_text()
    assert not machine.policy.exists()
    # upgraded.service was there before and is enabled by the same installation: that is its package's affair.
    assert machine.enabled() == {"own.service", "upgraded.service"}
    assert "daemon.service daemon.socket: will not start at boot" in said
    assert [p.name for p in machine.root.iterdir() if p.name.startswith("tmp.")] == []


def test_nothing_missing_is_nothing_done(machine: Machine) -> None:
    assert machine.install("there")[0] == 0
    assert not (machine.root / "calls").exists()


def test_a_failed_installation_leaves_no_daemon_either(machine: Machine) -> None:
    (machine.root / "broken").touch()
    status, said = machine.install("thing")
    assert status == 1
    assert "error MACHINE-003" in said
    assert "went on" not in said
    assert machine.enabled() == {"own.service", "upgraded.service"}
    assert not machine.policy.exists()
    assert (machine.root / "calls").read_text().count("update") == 1


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_installation_takes_its_policy_away(machine: Machine, number: signal.Signals) -> None:
    (machine.root / "slow").touch()
    child = machine.start("thing")
    appears(machine.root / "started")
    assert machine.policy.exists()
    os.killpg(child.pid, number)
    out, _ = child.communicate(timeout=10)
    assert child.returncode != 0
    assert "went on" not in out
    deadline = time.monotonic() + 5
    while machine.policy.exists():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_a_policy_of_the_machine_stays_and_one_of_a_killed_run_goes(machine: Machine) -> None:
    machine.policy.write_text("#!/bin/sh\nexit 104\n")
    assert machine.install("thing")[0] == 0
    assert machine.policy.read_text() == "#!/bin/sh\nexit 104\n"
    machine.policy.write_text((machine.root / "policy-seen").read_text())
    (machine.root / "slow").touch()
    machine.policy.unlink()
    child = machine.start("thing")
    appears(machine.root / "started")
    os.killpg(child.pid, signal.SIGKILL)
    child.communicate(timeout=10)
    assert machine.policy.exists()
    (machine.root / "slow").unlink()
    assert machine.install("thing")[0] == 0
    assert not machine.policy.exists()


def test_a_machine_without_systemd(machine: Machine) -> None:
    for path in (machine.root / "lib/systemd/system").iterdir():
        path.unlink()
    shutil.rmtree(machine.root / "etc/systemd")
    assert machine.install("thing")[0] == 0
    assert "daemon.service" in machine.enabled()
