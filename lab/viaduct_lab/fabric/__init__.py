"""The lab's network: a namespace of its own with Open vSwitch's userspace datapath."""

from viaduct_lab.fabric.fabric import Fabric, FabricError, Leg
from viaduct_lab.fabric.ports import Attachment

__all__ = ["Attachment", "Fabric", "FabricError", "Leg"]
