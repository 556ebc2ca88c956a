"""What can go wrong with the lab in a way that a person can do something about."""

from __future__ import annotations

import errno

from viaduct_lab.host.commands import CommandError


class LabError(Exception):
    """An error with a stable ``code``, a sentence and a remedy."""

    code = "LAB-000"

    def __init__(self, sentence: str, remedy: str) -> None:
        super().__init__(sentence)
        self.sentence = sentence
        self.remedy = remedy


class NotRoot(LabError):
    """The lab makes namespaces and mounts."""

    code = "LAB-001"


class ToolsMissing(LabError):
    """Programs that the lab runs are not installed."""

    code = "LAB-002"


class KernelUnfit(LabError):
    """The kernel refuses something that the lab is built on."""

    code = "LAB-003"


class StateUnfit(LabError):
    """The state directory lies where a lab cannot live."""

    code = "LAB-004"


class DiskFull(LabError):
    """Too little space to start."""

    code = "LAB-005"


class AddressesTaken(LabError):
    """No address range is free, or the lab's own is used by something else now."""

    code = "LAB-006"


class ImageUnusable(LabError):
    """The appliance image is missing or damaged."""

    code = "LAB-007"


class VCenterFailed(LabError):
    """The vCenter process did not start, or did not answer in time."""

    code = "LAB-008"


class NetworkFailed(LabError):
    """The fabric could not be built."""

    code = "LAB-009"


class Busy(LabError):
    """Another command works on this lab."""

    code = "LAB-010"


class NotALab(LabError):
    """The state directory holds no lab, or one that cannot be read."""

    code = "LAB-011"


class KindChanged(LabError):
    """A lab with guests cannot become one without, or the other way round."""

    code = "LAB-012"


class ToolFailed(LabError):
    """A program of the machine, or its file system, failed in a way that nobody foresaw."""

    code = "LAB-014"


class GuestsLeft(LabError):
    """A guest does not end."""

    code = "LAB-013"


class Copied(LabError):
    """The state directory is a copy: its lab's id belongs to another one on this machine."""

    code = "LAB-015"


def explained(error: CommandError | OSError) -> LabError:
    """What an error of the machine means to a person."""
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        return DiskFull(
            f"The disk is full: {error.filename or 'a file of the lab'} could not be written.",
            "Free some space, then run the same command again: it continues where it was.",
        )
    if isinstance(error, OSError) and error.errno in (errno.EACCES, errno.EPERM):
        return NotRoot(
            f"{error.filename or 'Something'} may not be touched: {error.strerror}.", "Run it as root."
        )
    return ToolFailed(
        f"Something on this machine failed: {error}.", "Mend that, then run the same command again."
    )
