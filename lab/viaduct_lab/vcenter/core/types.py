"""pyVmomi's type registry, untyped.

pyVmomi's stubs describe the client's view (remote properties, generated constructors); a server
builds and inspects the same classes dynamically. All modules of the server take them from here.
"""

from __future__ import annotations

from typing import Any, TypeAlias

import pyVmomi
from pyVmomi import VmomiSupport

_pyvmomi: Any = pyVmomi
vim: Any = _pyvmomi.vim
vmodl: Any = _pyvmomi.vmodl
support: Any = VmomiSupport

Ref: TypeAlias = Any
"""A managed object reference: an instance of a pyVmomi managed object class without a stub."""

VimType: TypeAlias = Any
"""A class of pyVmomi's registry, such as ``vim.VirtualMachine``."""

API_VERSION = "8.0.3.0"
"""The vSphere API version that this vCenter speaks."""
