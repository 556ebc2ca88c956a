"""Real guests for tests: they need root and an appliance image."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest
from guest_bench import Bench, Ssh

from viaduct_lab.lab import allocation, preflight, registry
from viaduct_lab.lab.errors import LabError


@pytest.fixture(scope="session")
def machine(state_root: Path) -> Path:
    """A folder that can hold a lab, on a machine that can run one; skips otherwise, saying why."""
    folder = state_root / "lab-tests"
    try:
        preflight.require_machine()
        folder.mkdir(exist_ok=True)
        preflight.require_state(folder, guests=True)
    except LabError as error:
        pytest.skip(f"no lab with guests here: {error}")
    return folder


@pytest.fixture(scope="session")
def image(machine: Path, image: Path) -> Path:
    """The appliance image's folder; on a machine without guests it is not even looked for."""
    return image


@pytest.fixture(scope="session")
def key(tmp_path_factory) -> Path:
    """A private key for guests; its public half lies beside."""
    path = tmp_path_factory.mktemp("key") / "id"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(path)], check=True)
    return path


@pytest.fixture(scope="session")
def ssh(key) -> Ssh:
    """SSH into guests as root."""
    return Ssh(key)


@pytest.fixture(scope="module")
def bench(machine, image, key):
    """A bench with the appliance's layers."""
    manifest = image / "manifest.json"
    layers = json.loads(manifest.read_text())["layers"]
    lab_id = allocation.new_id(())
    others = registry.networks(registry.Registry().neighbours(machine))
    management, external = allocation.networks(lab_id, (*allocation.machine_routes(()), *others))
    bench = Bench(
        machine / f"bench-{lab_id}",
        lab_id,
        management,
        external,
        tuple((manifest.resolve().parent / layer).resolve() for layer in layers),
        key.with_suffix(".pub").read_text().strip(),
    )
    try:
        bench.build()
        yield bench
    finally:
        bench.clear()
        subprocess.run(["rm", "-rf", str(bench.root)], check=True)
    for leg in bench.legs:
        assert not Path(f"/sys/class/net/{leg.interface}").exists()
