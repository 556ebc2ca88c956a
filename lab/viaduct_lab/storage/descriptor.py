"""The text descriptor of a virtual disk (VMware Virtual Disk Format 5.0), read and written."""

from __future__ import annotations

import re
import uuid as uuids
from dataclasses import dataclass, replace

SECTOR = 512
NO_PARENT = "ffffffff"
_LIMIT = 64 << 10
_EXTENT = re.compile(r'(RW|RDONLY|NOACCESS)\s+(\d+)\s+(\w+)(?:\s+"([^"]*)")?(?:\s+\d+)?\s*')
_HEADER = "# Disk DescriptorFile"


@dataclass(frozen=True)
class Extent:
    """One stretch of a disk; ``kind``: ``VMFS`` or ``FLAT`` (raw bytes in ``file``), ``ZERO``."""

    sectors: int
    kind: str
    file: str | None


@dataclass(frozen=True)
class Descriptor:
    """What the descriptor of a disk says. ``capacity`` in bytes is a multiple of 512.

    ``system``: name of the folder that holds an appliance's root file system instead of raw bytes.
    ``parent_hint``: file name of the disk that this one was made from, as written in the file.
    """

    extents: tuple[Extent, ...]
    cid: str
    uuid: str
    thin: bool = True
    eager: bool = False
    adapter: str = "lsilogic"
    create_type: str = "vmfs"
    parent_cid: str = NO_PARENT
    parent_hint: str | None = None
    system: str | None = None

    @property
    def capacity(self) -> int:
        """The disk's size in bytes."""
        return sum(extent.sectors for extent in self.extents) * SECTOR

    def resized(self, capacity: int) -> Descriptor:
        """The same disk with ``capacity`` bytes; only for disks of one extent."""
        (extent,) = self.extents
        return replace(self, extents=(replace(extent, sectors=sectors(capacity)),))


def sectors(capacity: int) -> int:
    """Sectors that hold ``capacity`` bytes."""
    return -(-capacity // SECTOR)


def new_uuid() -> str:
    """A disk's uuid in the usual notation."""
    return str(uuids.uuid4())


def new_cid() -> str:
    """A content id: eight hexadecimal digits, never the one that means "no parent"."""
    return uuids.uuid4().hex[:8].replace(NO_PARENT, "00000001")


def is_descriptor(head: bytes) -> bool:
    """Whether a file that begins with ``head`` is a text descriptor."""
    return head.lstrip().lower().startswith(_HEADER.lower().encode())


def render(disk: Descriptor) -> str:
    """The descriptor file's text."""
    lines = [_HEADER, "version=1", 'encoding="UTF-8"', f"CID={disk.cid}", f"parentCID={disk.parent_cid}"]
    if disk.parent_hint is not None:
        lines.append(f'parentFileNameHint="{disk.parent_hint}"')
    lines += [f'createType="{disk.create_type}"', "", "# Extent description"]
    for extent in disk.extents:
        name = f' "{extent.file}"' if extent.file is not None else ""
        lines.append(f"RW {extent.sectors} {extent.kind}{name}")
    lines += ["", "# The Disk Data Base", "#DDB", ""]
    lines += [f'{key} = "{value}"' for key, value in _database(disk).items()]
    return "\n".join(lines) + "\n"


def _database(disk: Descriptor) -> dict[str, str]:
    plain = uuids.UUID(disk.uuid).hex
    pairs = [plain[i : i + 2] for i in range(0, 32, 2)]
    total = disk.capacity // SECTOR
    entries = {
        "ddb.adapterType": disk.adapter,
        "ddb.geometry.cylinders": str(total // (255 * 63)),
        "ddb.geometry.heads": "255",
        "ddb.geometry.sectors": "63",
        "ddb.thinProvisioned": "1" if disk.thin else "0",
        "ddb.uuid": " ".join(pairs[:8]) + "-" + " ".join(pairs[8:]),
        "ddb.virtualHWVersion": "19",
    }
    if disk.eager:
        entries["ddb.viaduct.eagerlyScrubbed"] = "1"
    if disk.system is not None:
        entries["ddb.viaduct.system"] = disk.system
    return entries


def parse(text: str) -> Descriptor:
    """Read a descriptor. Raises ``ValueError`` saying what is wrong with it."""
    if len(text) > _LIMIT:
        raise ValueError("the descriptor is too long")
    values, extents = _entries(text)
    if not extents:
        raise ValueError("the descriptor names no extent")
    return Descriptor(
        extents=tuple(extents),
        cid=values.get("CID", new_cid()).lower(),
        uuid=_uuid(values.get("ddb.uuid", "")),
        thin=values.get("ddb.thinProvisioned", "0") == "1",
        eager=values.get("ddb.viaduct.eagerlyScrubbed") == "1",
        adapter=values.get("ddb.adapterType", "lsilogic"),
        create_type=values.get("createType", ""),
        parent_cid=values.get("parentCID", NO_PARENT).lower(),
        parent_hint=values.get("parentFileNameHint"),
        system=values.get("ddb.viaduct.system"),
    )


def _entries(text: str) -> tuple[dict[str, str], list[Extent]]:
    values: dict[str, str] = {}
    extents: list[Extent] = []
    for line in text.splitlines():
        line = line.strip().strip("\x00")
        if not line or line.startswith("#"):
            continue
        extent = _EXTENT.fullmatch(line)
        if extent is not None:
            extents.append(Extent(int(extent[2]), extent[3], extent[4]))
            continue
        key, found, value = line.partition("=")
        if not found:
            raise ValueError(f"the descriptor's line {line[:60]!r} is not understood")
        values[key.strip()] = value.strip().strip('"')
    return values, extents


def _uuid(text: str) -> str:
    digits = re.sub(r"[^0-9a-fA-F]", "", text)
    return str(uuids.UUID(hex=digits)) if len(digits) == 32 else new_uuid()
