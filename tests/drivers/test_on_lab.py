"""What a tenant does, with our drivers in OpenStack's own code, against the lab's vCenter.

The scripts in `inside` run in the appliance or, where VIADUCT_OPENSTACK_PYTHON names an interpreter that has
Nova, Cinder and oslo.vmware, in that, with the drivers of this working tree.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

pytest.importorskip("uvloop", reason="needs what the lab's vCenter needs")

from oracles.appliance import Outcome, Step, run_inside
from vcenter_server import PASSWORD, USER, VCenterProcess, start_vcenter

pytestmark = pytest.mark.lab

HERE = Path(__file__).parent
HOME = HERE.parents[1]
MIB = 1 << 20
NOVA_STEPS = (
    "start driver",
    "create network",
    "boot with config drive",
    "mark and port group",
    "boot sparse",
    "boot from OVA",
    "stop and start",
    "reboot",
    "attach volume",
    "extend attached volume",
    "detach volume",
    "delete volume",
    "snapshot to image, and boot from it",
    "resize",
    "resize a server that boots from a volume",
    "delete all",
)
CINDER_STEPS = (
    "set up",
    "statistics",
    "create and attach",
    "extend attached",
    "detach and extend",
    "delete server",
    "delete extended volume",
    "OVA to volume to image",
    "delete all",
)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[VCenterProcess]:
    """A vCenter for these tests alone."""
    with start_vcenter(tmp_path_factory.mktemp("site"), network="127.0.75") as server:
        yield server


@pytest.fixture(scope="module")
def raw(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A disk of random blocks with holes between them."""
    disk = tmp_path_factory.mktemp("disk") / "flat.raw"
    source = random.Random(7)
    with disk.open("wb") as out:
        for start in range(0, 16 * MIB, 4 * MIB):
            out.seek(start)
            out.write(source.randbytes(MIB))
        out.truncate(16 * MIB)
    return disk


@pytest.fixture(scope="module")
def run(
    site: VCenterProcess, raw: Path, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Callable[[str], tuple[Outcome, Path]]:
    """Run a script: (its outcome, the folder where it leaves files)."""
    python = os.environ.get("VIADUCT_OPENSTACK_PYTHON")

    def run(script: str) -> tuple[Outcome, Path]:
        exchange = tmp_path_factory.mktemp(script.removesuffix(".py"))
        shown = str(exchange) if python else "/srv"
        for name, subformat in (("sparse", "monolithicSparse"), ("stream", "streamOptimized")):
            target = str(exchange / f"{name}.vmdk")
            convert = ["qemu-img", "convert", "-q", "-f", "raw", "-O", "vmdk", "-o", f"subformat={subformat}"]
            subprocess.run([*convert, str(raw), target], check=True, timeout=60)
        shutil.copy(site.ca_file, exchange / "ca.pem")
        settings = {
            "host": site.host,
            "port": site.port,
            "username": USER,
            "password": PASSWORD,
            "ca_file": f"{shown}/ca.pem",
            "datacenter": "Datacenter",
            "cluster": "compute",
            "datastore": "compute-ds",
            "port_group": "management",
            "exchange": shown,
            "images": {name: f"{shown}/{name}.vmdk" for name in ("sparse", "stream")},
        }
        if python:
            return _run_here(python, script, settings, site, exchange), exchange
        shutil.copy(HERE / "inside" / script, exchange)
        image = request.getfixturevalue("image")
        return run_inside(image, f"../srv/{script}", settings, exchange), exchange

    return run


def _run_here(
    python: str, script: str, settings: dict[str, object], site: VCenterProcess, exchange: Path
) -> Outcome:
    settings |= {"datastores": str(site.config.datastores_dir)}
    file = exchange / "settings.json"
    file.write_text(json.dumps(settings))
    path = f"{HOME / 'drivers'}:{HOME / 'tests' / 'oracles' / 'inside'}"
    done = subprocess.run(
        [python, str(HERE / "inside" / script), str(file)],
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    steps = [json.loads(line) for line in done.stdout.splitlines() if line.startswith('{"step"')]
    by_name = {s["step"]: Step(s["step"], s["ok"], s["seconds"], s["text"]) for s in steps}
    return Outcome(by_name, done.returncode, done.stderr[-6000:])


def _all_done(outcome: Outcome, wanted: tuple[str, ...]) -> None:
    failed = [f"{step.name}: {step.text}" for step in outcome.steps.values() if not step.ok]
    assert not failed, "\n".join(failed) + outcome.stderr
    missing = [name for name in wanted if name not in outcome.steps]
    assert not missing, f"not run: {missing}\n{outcome.stderr}"
    assert outcome.exit_status == 0, outcome.stderr


def _bytes_of(vmdk: Path, folder: Path) -> bytes:
    back = folder / "back.raw"
    subprocess.run(
        ["qemu-img", "convert", "-q", "-f", "vmdk", "-O", "raw", str(vmdk), str(back)], check=True, timeout=60
    )
    return back.read_bytes()


def test_a_tenant_and_nova(run: Callable[[str], tuple[Outcome, Path]]) -> None:
    outcome, _ = run("nova_tenant.py")
    _all_done(outcome, NOVA_STEPS)


def test_a_tenant_and_cinder(run: Callable[[str], tuple[Outcome, Path]], raw: Path, tmp_path: Path) -> None:
    outcome, exchange = run("cinder_tenant.py")
    _all_done(outcome, CINDER_STEPS)
    uploaded = exchange / Path(outcome.steps["OVA to volume to image"].text).name
    content, wanted = _bytes_of(uploaded, tmp_path), raw.read_bytes()
    assert content[: len(wanted)] == wanted
    assert not any(content[len(wanted) :])
