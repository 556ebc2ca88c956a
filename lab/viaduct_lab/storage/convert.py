"""VMDK formats that are not plain bytes, read and written by ``qemu-img``."""

from __future__ import annotations

import struct
import subprocess
from pathlib import Path

MAGIC = b"KDMV"
_HEADER = struct.Struct("<4sIIQQQQIQQQ")
_COMPRESSED = 1 << 16
_TIMEOUT_S = 3600


class ConversionFailed(Exception):
    """``qemu-img`` is missing, refused the file, or took too long; the text says which."""


def sparse_capacity(head: bytes) -> int | None:
    """Capacity in bytes from the first 512 bytes of a hosted sparse extent, None if it is not one.

    A streamOptimized disk is one, too. A capacity of 0 marks a file that only embeds a descriptor.
    """
    if len(head) < _HEADER.size or not head.startswith(MAGIC):
        return None
    return int(_HEADER.unpack_from(head)[3]) * 512


def is_stream_optimized(head: bytes) -> bool:
    """Whether a hosted sparse extent's grains are compressed."""
    return head.startswith(MAGIC) and bool(int(_HEADER.unpack_from(head)[2]) & _COMPRESSED)


def to_raw(source: Path, target: Path) -> None:
    """Write the bytes of the VMDK ``source`` to the sparse raw file ``target``.

    Raises :class:`ConversionFailed`; then no target is left.
    """
    _convert(["-f", "vmdk", "-O", "raw"], source, target)


def to_stream_optimized(source: Path, target: Path, adapter: str = "lsilogic") -> None:
    """Write raw bytes as a streamOptimized VMDK. Raises :class:`ConversionFailed`."""
    known = adapter if adapter in ("ide", "buslogic", "lsilogic") else "lsilogic"
    options = f"subformat=streamOptimized,adapter_type={known}"
    _convert(["-f", "raw", "-O", "vmdk", "-o", options], source, target)


def _convert(arguments: list[str], source: Path, target: Path) -> None:
    # Absolute paths: a name such as "json:..." or "nbd:..." must not be read as a protocol.
    command = ["qemu-img", "convert", *arguments, str(source.absolute()), str(target.absolute())]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_TIMEOUT_S)
    except FileNotFoundError as error:
        raise ConversionFailed("qemu-img is not installed (Debian package qemu-utils)") from error
    except subprocess.TimeoutExpired as error:
        target.unlink(missing_ok=True)
        raise ConversionFailed(f"qemu-img took longer than {_TIMEOUT_S} s") from error
    if done.returncode != 0:
        target.unlink(missing_ok=True)
        last = done.stderr.strip().splitlines()
        raise ConversionFailed(last[-1] if last else f"qemu-img ended with {done.returncode}")
