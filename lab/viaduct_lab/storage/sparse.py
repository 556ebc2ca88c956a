"""Copying files without filling their holes, and counting what they really occupy."""

from __future__ import annotations

import errno
import fcntl
import os
from pathlib import Path

_FICLONE = 0x40049409  # linux/fs.h: share all extents, where the file system can
_CHUNK = 8 << 20
_NO_CLONE = (errno.EOPNOTSUPP, errno.ENOTTY, errno.EXDEV, errno.EINVAL, errno.ENOSYS)


def copy_file(source: Path, target: Path) -> None:
    """Copy the bytes of ``source`` to the new file ``target``; holes stay holes.

    The target appears only when it is complete. Raises ``OSError`` (``ENOSPC``: disk full).
    """
    partial = target.with_name(f".{target.name}.part")
    try:
        with source.open("rb") as reader, partial.open("wb") as writer:
            if not _clone(reader.fileno(), writer.fileno()):
                _copy_data(reader.fileno(), writer.fileno())
        partial.rename(target)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise


def _clone(source: int, target: int) -> bool:
    try:
        fcntl.ioctl(target, _FICLONE, source)
    except OSError as error:
        if error.errno in _NO_CLONE:
            return False
        raise
    return True


def _copy_data(source: int, target: int) -> None:
    size = os.fstat(source).st_size
    os.ftruncate(target, size)
    position = 0
    while position < size:
        try:
            start = os.lseek(source, position, os.SEEK_DATA)
        except OSError as error:
            if error.errno == errno.ENXIO:  # only a hole is left
                return
            raise
        position = os.lseek(source, start, os.SEEK_HOLE)
        while start < position:
            copied = _copy_some(source, target, start, min(_CHUNK, position - start))
            if copied == 0:
                return
            start += copied


def _copy_some(source: int, target: int, offset: int, count: int) -> int:
    try:
        return os.copy_file_range(source, target, count, offset, offset)
    except OSError as error:
        if error.errno not in _NO_CLONE:
            raise
    return os.pwrite(target, os.pread(source, count, offset), offset)


def occupied(path: Path) -> int:
    """Bytes that the file really occupies (a hole counts nothing); 0 if it is gone."""
    try:
        return path.lstat().st_blocks * 512
    except OSError:
        return 0


def occupied_tree(path: Path) -> int:
    """Bytes that a folder and all below it really occupy."""
    total = 0
    for folder, _, files in os.walk(path):
        total += sum(occupied(Path(folder, name)) for name in files)
    return total
