"""Which of oslo.vmware's storage policy definitions fits a vCenter. Pure but for one look at a folder.

Upstream: oslo_vmware/pbm.py has none for vCenter 9, and cinder/volume/drivers/vmware/vmdk.py, `do_setup`,
refuses to start without. The interface of version 8 is served by later versions as well.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from oslo_vmware import pbm


def shipped() -> list[str]:
    """The versions that oslo.vmware has definitions for."""
    return [folder.name for folder in (Path(pbm.__file__).parent / "wsdl").iterdir() if folder.is_dir()]


def fitting(version: str, available: Iterable[str]) -> str:
    """The given version if it is available or older than all, else the newest one before it.

    Versions are dotted numbers; the first two parts count.
    """
    wanted = _key(version)
    known = sorted(available, key=_key)
    if not known or wanted in (_key(one) for one in known) or wanted < _key(known[0]):
        return version
    return max((one for one in known if _key(one) < wanted), key=_key)


def _key(version: str) -> tuple[int, int]:
    major, _, rest = version.partition(".")
    return int(major), int(rest.partition(".")[0] or 0)
