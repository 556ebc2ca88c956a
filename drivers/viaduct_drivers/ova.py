"""The disk inside an OVA, and its size. Needs oslo.vmware only."""

from __future__ import annotations

import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, Any

from oslo_vmware import image_util


class NoDisk(Exception):
    """The archive holds no disk that its descriptor names."""


@contextmanager
def first_disk(stream: Any) -> Iterator[tuple[IO[bytes], int]]:
    """The disk that the OVF descriptor names first, as a stream, and its size in bytes.

    `stream` has read(size) and is read once from its start; the descriptor stands before the disks.
    Raises NoDisk.
    """
    with tarfile.open(mode="r|", fileobj=stream) as archive:
        name = None
        for member in archive:
            content = archive.extractfile(member)
            if content is None:
                continue
            if member.name.endswith(".ovf"):
                name = image_util.get_vmdk_name_from_ovf(content)
            elif name and member.name.startswith(name):
                yield content, member.size
                return
    raise NoDisk("the OVA holds no disk that its descriptor names")
