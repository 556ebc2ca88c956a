"""What the use cases need from the outside world; adapters implement it, :mod:`viaduct.app` wires it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from ipaddress import IPv4Address
from pathlib import Path
from typing import Protocol

from viaduct.model.cloud import Cloud, CloudSpec, Node
from viaduct.model.node_state import NodeState
from viaduct.model.observed import NodeVm, SiteFacts
from viaduct.model.record import CloudRecord
from viaduct.model.secret import Secret
from viaduct.model.site import Site

Report = Callable[[str], None]
"""Takes one line of progress within a step."""


class VSphere(Protocol):
    """A logged-in vCenter, as the manager uses it. All names are relative to the site's datacenter.

    Every method raises :class:`viaduct.errors.VCenterError` or a subclass; a lost session is renewed once,
    silently.
    """

    def facts(self, site: Site) -> SiteFacts:
        """What the site file can name. One PropertyCollector round trip a kind."""

    def nodes(self, cloud: str) -> tuple[NodeVm, ...]:
        """VMs whose extraConfig says ``viaduct.cloud = cloud``."""

    def folder_exists(self, site: Site, path: str) -> bool:
        """``path`` below the datacenter's VM folder, ``/`` between parts."""

    def ensure_folder(self, site: Site, path: str) -> None: ...

    def clone_node(
        self, site: Site, cloud: str, node: Node, guestinfo: Mapping[str, str], report: Report
    ) -> NodeVm:
        """Clone the site's template into ``<management folder>/<cloud>``, powered off, sized and connected as
        the node says, with its id and guestinfo in extraConfig and a serial port that writes ``console.log``
        beside it.
        """

    def adapter_macs(self, vm: NodeVm) -> tuple[str, ...]:
        """MAC addresses of the VM's adapters in device order."""

    def set_guestinfo(self, vm: NodeVm, guestinfo: Mapping[str, str]) -> None:
        """Set ``guestinfo.<key>`` (an empty value removes it)."""

    def power_on(self, vm: NodeVm) -> None: ...

    def shut_down(self, vm: NodeVm, timeout: float) -> None:
        """Ask the guest to shut down; after ``timeout`` seconds power off hard."""

    def delete(self, vm: NodeVm) -> None:
        """Power off if needed and destroy with its files."""

    def delete_folder(self, site: Site, path: str) -> None:
        """Remove an empty folder; one that holds something is left and reported as an error."""

    def wait_for_host_key(self, vm: NodeVm, timeout: float) -> NodeVm | None:
        """Wait until the guest has published its SSH host key (guestinfo.viaduct.hostkey); None: too late."""

    def console_log(self, site: Site, vm: NodeVm) -> str:
        """The end of the VM's serial console log (at most 8 KiB), or an explanation why there is none."""

    def certificate_authority(self) -> str:
        """PEM of what the upstream drivers on the nodes must trust to talk to this vCenter."""

    def close(self) -> None: ...


@dataclass(frozen=True)
class CommandResult:
    """How a command on a node ended."""

    exit_status: int
    stdout: str
    stderr: str


class NodeTransport(Protocol):
    """SSH to nodes as root, with the cloud's key, each node's host key known beforehand."""

    def run(
        self, address: IPv4Address, host_key: str, command: str, *, stdin: bytes = b"", timeout: float
    ) -> CommandResult:
        """Run one command. Raises :class:`viaduct.errors.NodeUnreachable`."""

    def stream(
        self,
        address: IPv4Address,
        host_key: str,
        command: str,
        *,
        stdin: bytes,
        timeout: float,
        line: Report,
    ) -> CommandResult:
        """As :meth:`run`, handing over each line of standard output as it comes."""

    def public_key(self) -> str:
        """The public key, in OpenSSH's one-line form, that nodes shall accept for root."""

    def interactive(self, address: IPv4Address, host_key: str) -> tuple[str, ...]:
        """The argument vector of an OpenSSH client that logs in to the node; its files are prepared."""

    def close(self) -> None:
        """End all connections; calls after it fail."""


class NodeApplier(Protocol):
    """Brings a node into a state: one archive and one command batch over the transport."""

    def digest(self, node: Node, host_key: str, timeout: float = 60.0) -> str | None:
        """Digest of the state last applied whole; None when the node has none. Raises NodeUnreachable."""

    def apply(self, node: Node, host_key: str, state: NodeState, report: Report) -> None:
        """Raises :class:`viaduct.errors.NodeApplyFailed` with the failed part and its output."""


class Authority(Protocol):
    """The cloud's own certificate authority and secrets, kept in the cloud's directory (mode 0600)."""

    def ensure(self, names: tuple[str, ...], addresses: tuple[IPv4Address, ...]) -> tuple[str, str, Secret]:
        """(CA certificate PEM, endpoint chain PEM, endpoint key): made once, renewed when addresses change
        or fewer than 30 days are left."""

    def secrets(self, names: tuple[str, ...]) -> Mapping[str, Secret]:
        """One secret per name, generated when missing."""

    def complete(
        self, names: tuple[str, ...], addresses: tuple[IPv4Address, ...], secrets: tuple[str, ...]
    ) -> bool:
        """Whether :meth:`ensure` and :meth:`secrets` would find all there and make nothing."""


class OpenStack(Protocol):
    """The cloud's APIs as its administrator."""

    def wait_for_identity(self, timeout: float) -> None: ...

    def register(self, cloud: Cloud, report: Report) -> None:
        """Service projects, users, roles, catalog; default flavors. Idempotent."""

    def services_up(self) -> Mapping[str, bool]:
        """``binary@host`` of compute and volume services and whether they are up."""

    def wait_for_services(self, cloud: Cloud, timeout: float, report: Report) -> None:
        """Until nova-compute, cinder-volume and all schedulers are up and the hypervisor is in placement."""


class Verifier(Protocol):
    """Checks a cloud as its tenant would use it, looking in vCenter at each step."""

    def verify(self, cloud: Cloud, report: Report) -> None:
        """Raises :class:`viaduct.errors.VerificationFailed` naming the check; always cleans up."""


class CloudRecords(Protocol):
    """What the manager remembers of its clouds. Every change is durable when the call returns."""

    def get(self, name: str) -> CloudRecord | None: ...

    def all(self) -> tuple[CloudRecord, ...]: ...

    def save(self, spec: CloudSpec, site_file: Path, *, lab: bool) -> None:
        """Remember a cloud before the first of it is made; keeps its digests."""

    def set_registered(self, name: str, digest: str) -> None: ...

    def set_verified(self, name: str, digest: str | None) -> None: ...

    def remove(self, name: str) -> None: ...
