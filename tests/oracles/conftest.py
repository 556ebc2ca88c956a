"""A vCenter on loopback's port 443 (Glance's store knows no other) and disk images with known bytes."""

from __future__ import annotations

import random
import shutil
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from oracles.appliance import Outcome, run_inside
from vcenter_server import PASSWORD, USER, VCenterProcess, start_vcenter
from viaduct_lab.config import ClusterLayout, InventoryLayout, PortGroupLayout

MIB = 1 << 20
SOURCE_BYTES = 16 * MIB
NETWORK = "127.0.76"


@dataclass(frozen=True)
class Images:
    """One disk in three forms; ``raw`` holds its bytes."""

    raw: Path
    sparse: Path
    stream: Path


@pytest.fixture(scope="session")
def oracle_vcenter(tmp_path_factory: pytest.TempPathFactory) -> Iterator[VCenterProcess]:
    """One host for management and two for computing, on port 443."""
    hosts = tuple(f"{NETWORK}.{number}" for number in (11, 12, 13))
    inventory = InventoryLayout(
        datacenter="Datacenter",
        clusters=(
            ClusterLayout("management", hosts[:1], ("management-ds", "shared-ds")),
            ClusterLayout("compute", hosts[1:], ("compute-ds", "shared-ds")),
        ),
        datastores=("management-ds", "compute-ds", "shared-ds"),
        switch="dvs",
        port_groups=(PortGroupLayout("management"), PortGroupLayout("trunk", trunk=True)),
    )
    folder = tmp_path_factory.mktemp("oracles")
    with start_vcenter(folder, network=NETWORK, port=443, inventory=inventory) as server:
        yield server


@pytest.fixture(scope="session")
def images(tmp_path_factory: pytest.TempPathFactory) -> Images:
    """Random blocks with holes between them, from a fixed seed."""
    folder = tmp_path_factory.mktemp("images")
    made = Images(folder / "flat.raw", folder / "sparse.vmdk", folder / "stream.vmdk")
    source = random.Random(2026)
    with made.raw.open("wb") as disk:
        for start in range(0, SOURCE_BYTES, 4 * MIB):
            disk.seek(start)
            disk.write(source.randbytes(MIB))
        disk.truncate(SOURCE_BYTES)
    for target, subformat in ((made.sparse, "monolithicSparse"), (made.stream, "streamOptimized")):
        subprocess.run(
            ["qemu-img", "convert", "-q", "-O", "vmdk", "-o", f"subformat={subformat}", made.raw, target],
            check=True,
            timeout=60,
        )
    return made


@pytest.fixture(scope="session")
def run_oracle(
    image: Path,
    oracle_vcenter: VCenterProcess,
    images: Images,
    tmp_path_factory: pytest.TempPathFactory,
) -> Callable[[str], tuple[Outcome, Path]]:
    """Run a script inside the appliance against the vCenter: (its outcome, the folder it exchanged files in)."""

    def run(script: str) -> tuple[Outcome, Path]:
        exchange = tmp_path_factory.mktemp(script.removesuffix(".py"))
        for source in (images.raw, images.sparse, images.stream, oracle_vcenter.ca_file):
            shutil.copy(source, exchange / source.name)
        settings: dict[str, Any] = {
            "host": oracle_vcenter.host,
            "port": oracle_vcenter.port,
            "username": USER,
            "password": PASSWORD,
            "ca_file": f"/srv/{oracle_vcenter.ca_file.name}",
            "datacenter": "Datacenter",
            "cluster": "compute",
            "datastore": "compute-ds",
            "port_group": "management",
            "images": {
                "flat": f"/srv/{images.raw.name}",
                "sparse": f"/srv/{images.sparse.name}",
                "stream": f"/srv/{images.stream.name}",
            },
        }
        return run_inside(image, script, settings, exchange), exchange

    return run


@pytest.fixture(scope="session")
def holds_source_bytes(images: Images) -> Callable[[Path], None]:
    """Check that an exported VMDK begins with the source's bytes and holds nothing else."""
    wanted = images.raw.read_bytes()

    def check(vmdk: Path) -> None:
        raw = vmdk.with_suffix(".back.raw")
        subprocess.run(
            ["qemu-img", "convert", "-q", "-f", "vmdk", "-O", "raw", str(vmdk), str(raw)],
            check=True,
            timeout=60,
        )
        with raw.open("rb") as disk:
            assert disk.read(len(wanted)) == wanted
            while block := disk.read(MIB):
                assert not any(block)
        raw.unlink()

    return check
