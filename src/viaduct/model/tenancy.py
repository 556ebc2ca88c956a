"""What OpenStack's APIs show of a tenant's things, as far as a cloud's verification looks at it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class FlavorSize:
    """A server's size: ``memory_mb`` in MiB, ``disk_gb`` in GiB."""

    cpus: int
    memory_mb: int
    disk_gb: int


@dataclass(frozen=True)
class Server:
    """``status`` as Nova's API says (``ACTIVE``...), ``task`` what it is at, ``fault`` its message, if any."""

    id: str
    name: str
    status: str
    task: str = ""
    fault: str = ""


@dataclass(frozen=True)
class Volume:
    """``size_gb`` in GiB; ``fault``: what Cinder's user messages tell of it."""

    id: str
    status: str
    size_gb: int
    fault: str = ""


@dataclass(frozen=True)
class Image:
    """``size`` in bytes of what is stored (0 until it is known)."""

    id: str
    status: str
    size: int = 0
    fault: str = ""


@dataclass(frozen=True)
class Port:
    """A server's port: ``mac`` in lower case."""

    id: str
    mac: str
    addresses: tuple[str, ...] = ()


@dataclass(frozen=True)
class Purged:
    """What was removed from OpenStack: ids of projects, and of the images that they held."""

    projects: tuple[str, ...] = ()
    images: tuple[str, ...] = ()
