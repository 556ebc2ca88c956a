"""The configuration file of a virtual machine: readable keys, and the whole state for registering."""

from __future__ import annotations

import base64
import json
import re
from typing import Any

from viaduct_lab.vcenter.vm.state import VmState

_STATE = "viaduct.lab.state"
_LINE = re.compile(r'\s*([^=\s]+)\s*=\s*"(.*)"\s*')


def render(name: str, state: VmState) -> str:
    """The file's text."""
    hardware = state.hardware
    values = {
        ".encoding": "UTF-8",
        "displayName": name,
        "virtualHW.version": hardware.version.removeprefix("vmx-"),
        "guestOS": hardware.guest_id.removesuffix("Guest"),
        "numvcpus": str(hardware.cpus),
        "memSize": str(hardware.memory_mb),
        "uuid.bios": hardware.uuid,
        "vc.uuid": hardware.instance_uuid,
        **state.extra,
        _STATE: base64.b64encode(json.dumps(state.save()).encode()).decode(),
    }
    lines = [f'{key} = "{_quoted(value)}"' for key, value in values.items()]
    return "\n".join(lines) + "\n"


def _quoted(value: str) -> str:
    return "".join(f"|{ord(c):02X}" if c in '"|' or ord(c) < 32 else c for c in value)


def parse(text: str) -> tuple[str, dict[str, Any] | None]:
    """(display name, saved state); no state in a file that the lab did not write."""
    values = {}
    for line in text.splitlines():
        match = _LINE.fullmatch(line)
        if match is not None:
            values[match[1]] = match[2]
    packed = values.get(_STATE)
    state = json.loads(base64.b64decode(packed)) if packed else None
    return values.get("displayName", ""), state
