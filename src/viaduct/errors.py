"""Everything that can go wrong in a way that a person can do something about.

::

    ViaductError
    ├── InputError              what the administrator wrote is wrong (file, field)
    │   ├── SiteFileError
    │   └── SpecError
    ├── PreflightError          the machine or the site lacks what is needed (several problems at once)
    ├── VCenterError
    │   ├── VCenterUnreachable
    │   ├── VCenterLoginFailed
    │   ├── VCenterUntrusted
    │   └── VCenterTaskFailed
    ├── NodeError
    │   ├── NodeUnreachable
    │   └── NodeApplyFailed
    ├── CloudError              OpenStack answered with an error, or not at all
    │   └── VerificationFailed
    ├── ImageError              building or finding the appliance
    ├── LabError                the lab's own command failed
    └── StateError              the manager's own state directory is unusable

Each has a ``code`` (stable, for search and for scripts), a sentence (what happened) and a remedy (what
to do now). Temporary ones (``retryable``) are tried again by the engine before they are shown.
"""

from __future__ import annotations


class ViaductError(Exception):
    """Base of all errors that are shown to a person: ``str(error)`` is the sentence."""

    code = "VIADUCT-000"
    retryable = False

    def __init__(self, sentence: str, remedy: str = "", *, detail: str = "") -> None:
        super().__init__(sentence)
        self.sentence = sentence
        self.remedy = remedy
        self.detail = detail


class InputError(ViaductError):
    """What was given cannot be used as it is."""

    code = "INPUT-001"


class SiteFileError(InputError):
    """A site file is malformed; the sentence names the field."""

    code = "INPUT-101"


class SpecError(InputError):
    """A cloud spec is malformed or does not fit its site."""

    code = "INPUT-201"


class PreflightError(ViaductError):
    """The machine or the site lacks something; ``problems`` are (sentence, remedy) pairs."""

    code = "PREFLIGHT-001"

    def __init__(self, problems: tuple[tuple[str, str], ...], *, detail: str = "") -> None:
        first = problems[0]
        more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
        super().__init__(first[0] + more, first[1], detail=detail)
        self.problems = problems


class VCenterError(ViaductError):
    """vCenter refused or failed something."""

    code = "VCENTER-001"


class VCenterUnreachable(VCenterError):
    """No answer from the vCenter, or the connection broke."""

    code = "VCENTER-101"
    retryable = True


class VCenterLoginFailed(VCenterError):
    """The user name or password is wrong, or the account may not log in."""

    code = "VCENTER-102"


class VCenterUntrusted(VCenterError):
    """The certificate is not trusted; ``thumbprint`` is the presented one's (SHA-256)."""

    code = "VCENTER-103"

    def __init__(self, sentence: str, remedy: str, thumbprint: str) -> None:
        super().__init__(sentence, remedy)
        self.thumbprint = thumbprint


class VCenterTaskFailed(VCenterError):
    """A vCenter task ended with a fault; ``fault`` is its type's name."""

    code = "VCENTER-201"
    retryable = True

    def __init__(self, sentence: str, remedy: str = "", *, fault: str = "") -> None:
        super().__init__(sentence, remedy)
        self.fault = fault


class NodeError(ViaductError):
    """A control-plane node misbehaves."""

    code = "NODE-001"


class NodeUnreachable(NodeError):
    """A node does not answer; ``detail`` holds the end of its console log."""

    code = "NODE-101"


class NodeApplyFailed(NodeError):
    """A step on a node failed; ``detail`` holds its output."""

    code = "NODE-201"


class CloudError(ViaductError):
    """OpenStack did not do what was asked."""

    code = "CLOUD-001"


class VerificationFailed(CloudError):
    """The cloud runs, but a check as a tenant failed."""

    code = "CLOUD-101"


class ImageError(ViaductError):
    """The appliance cannot be built, found or used."""

    code = "IMAGE-001"


class LabError(ViaductError):
    """The lab could not be started, stopped or asked."""

    code = "LAB-001"


class StateError(ViaductError):
    """The state directory cannot be used."""

    code = "STATE-001"
