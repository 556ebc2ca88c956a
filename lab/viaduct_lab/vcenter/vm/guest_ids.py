"""Names of guest operating systems, for the identifiers that this project's users meet."""

from __future__ import annotations

_NAMES = {
    "otherGuest": "Other (32-bit)",
    "otherGuest64": "Other (64-bit)",
    "otherLinuxGuest": "Other Linux (32-bit)",
    "otherLinux64Guest": "Other Linux (64-bit)",
    "other3xLinux64Guest": "Other 3.x Linux (64-bit)",
    "other4xLinux64Guest": "Other 4.x Linux (64-bit)",
    "other5xLinux64Guest": "Other 5.x Linux (64-bit)",
    "other6xLinux64Guest": "Other 6.x or later Linux (64-bit)",
    "debian11_64Guest": "Debian GNU/Linux 11 (64-bit)",
    "debian12_64Guest": "Debian GNU/Linux 12 (64-bit)",
    "debian13_64Guest": "Debian GNU/Linux 13 (64-bit)",
    "ubuntu64Guest": "Ubuntu Linux (64-bit)",
    "rhel8_64Guest": "Red Hat Enterprise Linux 8 (64-bit)",
    "rhel9_64Guest": "Red Hat Enterprise Linux 9 (64-bit)",
    "centos64Guest": "CentOS 4/5 or later (64-bit)",
    "windows9_64Guest": "Microsoft Windows 10 (64-bit)",
    "windows2019srv_64Guest": "Microsoft Windows Server 2019 (64-bit)",
    "windows2019srvNext_64Guest": "Microsoft Windows Server 2022 (64-bit)",
}


def full_name(guest_id: str) -> str:
    """The name that is shown for ``guest_id``; for an unknown one, the identifier itself."""
    return _NAMES.get(guest_id, guest_id)


def family(guest_id: str) -> str:
    """``windowsGuest`` or ``linuxGuest``."""
    return "windowsGuest" if guest_id.lower().startswith("win") else "linuxGuest"
