"""Errors of the distributed-switch driver, each a sentence that an operator can act on."""


class DvsError(Exception):
    """Root of this package's errors."""


class ConfigurationError(DvsError):
    """The section [viaduct_dvs] cannot work as it is written."""


class VCenterUnreachable(DvsError):
    """No answer from vCenter, or its certificate is not trusted."""


class LoginRefused(DvsError):
    """vCenter does not accept the user or the password."""


class InventoryNotFound(DvsError):
    """The datacenter or the distributed switch does not exist in vCenter."""


class PortGroupInUse(DvsError):
    """A port group cannot be removed because virtual machines are connected to it."""


class NameTaken(DvsError):
    """A port group that is not ours has the name that ours needs."""


class TaskFailed(DvsError):
    """A vCenter task ended with an error or did not end in time."""
