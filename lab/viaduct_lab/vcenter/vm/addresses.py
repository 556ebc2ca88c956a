"""MAC addresses of network adapters."""

from __future__ import annotations

import random
import re
from collections.abc import Container

_FORM = re.compile(r"[0-9a-f]{2}(:[0-9a-f]{2}){5}")


def normalized(mac: str) -> str | None:
    """The address in lower case with colons; None if it is not a unicast MAC address."""
    text = mac.strip().lower().replace("-", ":")
    if _FORM.fullmatch(text) is None or int(text[:2], 16) & 1:
        return None
    return text


def generate(taken: Container[str]) -> str:
    """A new address in the range that vCenter gives out (00:50:56:80:00:00 to 00:50:56:bf:ff:ff)."""
    while True:
        tail = random.randrange(0x800000, 0xC00000)
        mac = f"00:50:56:{tail >> 16:02x}:{tail >> 8 & 255:02x}:{tail & 255:02x}"
        if mac not in taken:
            return mac
