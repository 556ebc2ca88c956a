"""What runs on a node, as data.

Pure functions from a cloud's description to files, units and guarded one-shots.
"""

from viaduct.roles.compose import CONFIG_FILES, ROLES, node_state

__all__ = ["CONFIG_FILES", "ROLES", "node_state"]
