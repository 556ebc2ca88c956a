"""The verification's disk: reproducible, a real VMDK, and compared byte by byte."""

from __future__ import annotations

import hashlib
import json
import subprocess
from pathlib import Path

import pytest

from viaduct.errors import PreflightError
from viaduct.services.verify import disk_image


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    path = tmp_path / "disk.raw"
    disk_image.make_raw(path)
    return path


def test_the_bytes_are_the_same_every_time(raw: Path) -> None:
    digest = hashlib.sha256(raw.read_bytes()).hexdigest()
    assert digest == "0fca5dc0803326c13ec2403fac46324ddeec9bba5080d266b068a1b0c9ce4eec"


def test_it_is_a_stream_optimized_vmdk(raw: Path, tmp_path: Path) -> None:
    vmdk = tmp_path / "disk.vmdk"
    disk_image.make_vmdk(raw, vmdk)
    done = subprocess.run(
        ["qemu-img", "info", "--output=json", str(vmdk)], capture_output=True, check=True, timeout=60
    )
    info = json.loads(done.stdout)
    assert info["format"] == "vmdk"
    assert info["virtual-size"] == disk_image.DISK_SIZE
    assert info["format-specific"]["data"]["create-type"] == "streamOptimized"
    assert disk_image.difference(raw, vmdk) == ""


def test_zeros_behind_the_end_do_not_count(raw: Path, tmp_path: Path) -> None:
    longer, vmdk = tmp_path / "longer.raw", tmp_path / "longer.vmdk"
    longer.write_bytes(raw.read_bytes())
    with longer.open("r+b") as file:
        file.truncate(1 << 30)
    disk_image.make_vmdk(longer, vmdk)
    assert disk_image.difference(raw, vmdk) == ""


@pytest.mark.parametrize("offset", [0, 5_242_880 + 512, disk_image.DISK_SIZE - 1, disk_image.DISK_SIZE + 7])
def test_a_single_other_byte_is_found(raw: Path, tmp_path: Path, offset: int) -> None:
    other, vmdk = tmp_path / "other.raw", tmp_path / "other.vmdk"
    content = bytearray(raw.read_bytes() + bytes(1 << 20))
    content[offset] ^= 0x55
    other.write_bytes(content)
    disk_image.make_vmdk(other, vmdk)
    assert "mismatch" in disk_image.difference(raw, vmdk)


def test_what_is_no_vmdk_is_told(raw: Path, tmp_path: Path) -> None:
    nonsense = tmp_path / "nonsense.vmdk"
    nonsense.write_bytes(b"nothing of the kind")
    assert disk_image.difference(raw, nonsense)


def test_a_missing_qemu_img_is_told(raw: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(PreflightError) as failure:
        disk_image.make_vmdk(raw, tmp_path / "disk.vmdk")
    assert "qemu-utils" in failure.value.remedy
