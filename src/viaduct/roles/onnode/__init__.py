"""Programs that run on the node, shipped as files.

They import nothing of viaduct; here they are only text.
"""

from __future__ import annotations

from importlib import resources

from viaduct.model.node_state import File

DIRECTORY = "/usr/local/lib/viaduct"
SYSTEM_PYTHON = "/usr/bin/python3"

DATABASE = f"{DIRECTORY}/database.py"
IDENTITY = f"{DIRECTORY}/identity.py"
QUEUES = f"{DIRECTORY}/queues.py"
READY = f"{DIRECTORY}/ready.py"


def program(path: str) -> File:
    """The program installed at ``path`` (one of the constants above)."""
    name = path.rpartition("/")[2]
    return File(path, resources.files(__name__).joinpath(name).read_bytes(), mode=0o755)
