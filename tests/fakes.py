"""In-memory stand-ins for everything outside the manager: one world, seen through the ports.

The world survives the manager's death, as vCenter and nodes do. ``World.kill_at`` ends the manager, as
kill -9 would, at the n-th moment before or after something is changed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address, IPv4Network
from itertools import count
from pathlib import Path

from viaduct.engine.run import Clock
from viaduct.errors import NodeUnreachable, VCenterError, VCenterTaskFailed, ViaductError
from viaduct.model.cloud import Cloud, CloudSpec, Node
from viaduct.model.event import Event
from viaduct.model.node_state import File, NodeState
from viaduct.model.observed import ClusterFacts, DatastoreFacts, NodeVm, SiteFacts
from viaduct.model.plan import Step
from viaduct.model.record import CloudRecord
from viaduct.model.secret import Secret
from viaduct.model.site import (
    AddressRange,
    ComputeCluster,
    ManagementPlacement,
    Site,
    SiteNetwork,
    TenantNetworks,
    VCenter,
)
from viaduct.services.ports import CommandResult
from viaduct.services.tools import CloudTools, Patience

Report = Callable[[str], None]
TEMPLATE = "viaduct-appliance-1"
DATASTORES = ("management-ds", "compute-ds", "shared-ds")
VCENTER_PASSWORD = "vcenter-s3cret-password"


class Killed(BaseException):
    """The manager's process is gone. Not an Exception: nothing may handle it."""


@dataclass
class FakeVm:
    """A VM with its guest: what was applied to it lives and dies with it."""

    vm: NodeVm
    spec: Node
    guestinfo: dict[str, str] = field(default_factory=dict)
    folder: str = ""
    digest: str | None = None
    catalog: bool = False
    boots: int = 0


@dataclass
class World:
    """The outside. ``faults``: method -> errors that its next calls raise; ``silent`` nodes never boot."""

    facts: SiteFacts
    vms: dict[str, FakeVm] = field(default_factory=dict)
    folders: set[str] = field(default_factory=lambda: {"Templates"})
    faults: dict[str, list[ViaductError]] = field(default_factory=dict)
    silent: set[str] = field(default_factory=set)
    services: dict[str, bool] = field(default_factory=lambda: {"nova-compute@node1": True})
    calls: list[str] = field(default_factory=list)
    kill_at: int | None = None
    moments: int = 0
    references: count[int] = field(default_factory=lambda: count(101))
    uuids: count[int] = field(default_factory=count)

    def moment(self) -> None:
        """A point at which the manager may die."""
        self.moments += 1
        if self.kill_at is not None and self.moments == self.kill_at:
            raise Killed

    def call(self, name: str) -> None:
        """Note a call that changes something; raise the fault that waits for it."""
        self.moment()
        self.calls.append(name)
        waiting = self.faults.get(name)
        if waiting:
            raise waiting.pop(0)

    def of(self, cloud: str) -> list[FakeVm]:
        return [fake for fake in self.vms.values() if fake.vm.cloud == cloud]


class FakeVSphere:
    """Implements ``VSphere`` on a :class:`World`."""

    def __init__(self, world: World) -> None:
        self.world = world

    def facts(self, site: Site) -> SiteFacts:
        self.world.call("facts")
        used = dict(self.world.facts.used_addresses)
        for fake in self.world.vms.values():
            if fake.vm.power == "poweredOn":
                used[str(fake.spec.management_address)] = fake.vm.name
        return replace(self.world.facts, used_addresses=used)

    def nodes(self, cloud: str) -> tuple[NodeVm, ...]:
        return tuple(fake.vm for fake in self.world.of(cloud))

    def folder_exists(self, site: Site, path: str) -> bool:
        return path in self.world.folders

    def ensure_folder(self, site: Site, path: str) -> None:
        self.world.call("ensure_folder")
        parts = path.split("/")
        self.world.folders.update("/".join(parts[: i + 1]) for i in range(len(parts)))
        self.world.moment()

    def clone_node(
        self, site: Site, cloud: str, node: Node, guestinfo: Mapping[str, str], report: Report
    ) -> NodeVm:
        folder = f"{site.management.folder}/{cloud}"
        self.world.call("clone_node")
        name = f"{cloud}-{node.name}"
        if folder not in self.world.folders:
            raise VCenterError(f"there is no folder {folder}")
        if name in self.world.vms:
            raise VCenterTaskFailed("The name is taken.", fault="DuplicateName")
        vm = NodeVm(cloud, node.name, name, f"vm-{next(self.world.references)}", "poweredOff", site.template)
        vm = replace(vm, uuid=f"5000-{next(self.world.uuids)}")
        self.world.vms[name] = FakeVm(vm, node, dict(guestinfo), folder)
        self.world.moment()
        return vm

    def adapter_macs(self, vm: NodeVm) -> tuple[str, ...]:
        return ("00:50:56:00:00:01", "00:50:56:00:00:02")

    def set_guestinfo(self, vm: NodeVm, guestinfo: Mapping[str, str]) -> None:
        self.world.call("set_guestinfo")
        fake = self.world.vms[vm.name]
        fake.guestinfo.update(guestinfo)
        fake.vm = replace(fake.vm, identified="metadata" in fake.guestinfo)
        self.world.moment()

    def power_on(self, vm: NodeVm) -> None:
        self.world.call("power_on")
        fake = self.world.vms[vm.name]
        assert "metadata" in fake.guestinfo, "a node must not boot without its identity"
        fake.boots += 1
        key = "" if vm.node in self.world.silent else f"ssh-ed25519 {vm.reference}"
        fake.vm = replace(fake.vm, power="poweredOn", host_key=key)
        self.world.moment()

    def shut_down(self, vm: NodeVm, timeout: float) -> None:
        self.world.call("shut_down")
        # vSphere forgets at power-off what the guest has published.
        fake = self.world.vms[vm.name]
        fake.vm = replace(fake.vm, power="poweredOff", host_key="")
        self.world.moment()

    def delete(self, vm: NodeVm) -> None:
        self.world.call("delete")
        del self.world.vms[vm.name]
        self.world.moment()

    def delete_folder(self, site: Site, path: str) -> None:
        self.world.call("delete_folder")
        below = [f for f in self.world.folders if f.startswith(f"{path}/")]
        if below or any(fake.folder == path for fake in self.world.vms.values()):
            raise VCenterError(f"The folder {path} is not empty.")
        self.world.folders.discard(path)
        self.world.moment()

    def wait_for_host_key(self, vm: NodeVm, timeout: float) -> NodeVm | None:
        found = self.world.vms[vm.name].vm
        return found if found.host_key else None

    def console_log(self, site: Site, vm: NodeVm) -> str:
        return "Kernel panic - not syncing: no root file system"

    def certificate_authority(self) -> str:
        return "PEM of vCenter's CA"

    def close(self) -> None:
        pass


class FakeTransport:
    """Implements ``NodeTransport`` as far as use cases call it themselves."""

    def run(
        self, address: IPv4Address, host_key: str, command: str, *, stdin: bytes = b"", timeout: float
    ) -> CommandResult:
        return CommandResult(0, "", "")

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
        return CommandResult(0, "", "")

    def public_key(self) -> str:
        return "ssh-ed25519 AAAA viaduct"

    def interactive(self, address: IPv4Address, host_key: str) -> tuple[str, ...]:
        return ("ssh", f"root@{address}")


@dataclass
class FakeApplier:
    """Implements ``NodeApplier`` on a :class:`World`."""

    world: World

    def digest(self, node: Node, host_key: str, timeout: float = 60.0) -> str | None:
        return self._running(node, host_key).digest

    def apply(self, node: Node, host_key: str, state: NodeState, report: Report) -> None:
        self.world.call("apply")
        report("3 files written")
        self._running(node, host_key).digest = state.digest()
        self.world.moment()

    def _running(self, node: Node, host_key: str) -> FakeVm:
        for fake in self.world.vms.values():
            if fake.vm.node == node.name and fake.vm.power == "poweredOn" and fake.vm.host_key == host_key:
                return fake
        raise NodeUnreachable(f"{node.name} does not answer.")


@dataclass
class FakeOpenStack:
    """Implements ``OpenStack``: its database is in the first node."""

    world: World
    cloud: str

    def wait_for_identity(self, timeout: float) -> None:
        assert self._node().digest, "no identity service before the node has its state"

    def register(self, cloud: Cloud, report: Report) -> None:
        self.world.call("register")
        self._node().catalog = True
        self.world.moment()

    def services_up(self) -> Mapping[str, bool]:
        return dict(self.world.services)

    def wait_for_services(self, cloud: Cloud, timeout: float, report: Report) -> None:
        self.world.call("wait_for_services")
        assert self._node().catalog
        self.world.services = dict.fromkeys(self.world.services, True)

    def _node(self) -> FakeVm:
        return self.world.vms[f"{self.cloud}-node1"]


@dataclass
class FakeVerifier:
    """Implements ``Verifier``."""

    world: World

    def verify(self, cloud: Cloud, report: Report) -> None:
        self.world.call("verify")
        assert self.world.vms[f"{cloud.spec.name}-node1"].catalog
        self.world.moment()


class FakeAuthority:
    """Implements ``Authority`` with texts instead of keys."""

    def ensure(self, names: tuple[str, ...], addresses: tuple[IPv4Address, ...]) -> tuple[str, str, Secret]:
        return "PEM of the cloud's CA", f"chain for {addresses}", Secret("endpoint-private-key")

    def secrets(self, names: tuple[str, ...]) -> Mapping[str, Secret]:
        return {name: Secret(f"s3cret-{name}") for name in names}

    def complete(
        self, names: tuple[str, ...], addresses: tuple[IPv4Address, ...], secrets: tuple[str, ...]
    ) -> bool:
        return True


@dataclass
class FakeRecords:
    """Implements ``CloudRecords`` in memory."""

    world: World
    kept: dict[str, CloudRecord] = field(default_factory=dict)

    def get(self, name: str) -> CloudRecord | None:
        return self.kept.get(name)

    def all(self) -> tuple[CloudRecord, ...]:
        return tuple(self.kept[name] for name in sorted(self.kept))

    def save(self, spec: CloudSpec, site_file: Path, *, lab: bool) -> None:
        self.world.moment()
        old = self.kept.get(spec.name) or CloudRecord(spec.name, spec, site_file, lab)
        self.kept[spec.name] = replace(old, spec=spec, site_file=site_file, lab=lab)
        self.world.moment()

    def set_registered(self, name: str, digest: str) -> None:
        self.world.moment()
        self.kept[name] = replace(self.kept[name], registered=digest)
        self.world.moment()

    def set_verified(self, name: str, digest: str | None) -> None:
        self.world.moment()
        self.kept[name] = replace(self.kept[name], verified=digest)
        self.world.moment()

    def remove(self, name: str) -> None:
        self.world.moment()
        self.kept.pop(name, None)


@dataclass
class FakeJournal:
    """Implements the engine's ``Journal`` in memory: ``steps`` holds (step id, state) as they happen."""

    runs: dict[str, str] = field(default_factory=dict)
    steps: list[tuple[str, str]] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)

    def run_started(self, run: str, cloud: str, command: str, pid: int, at: datetime) -> None:
        self.runs[run] = "running"

    def run_ended(self, run: str, state: str, error: str, at: datetime) -> None:
        self.runs[run] = str(state)
        self.errors.append(error)

    def step_moved(
        self, run: str, position: int, step: Step, state: str, attempts: int, error: str, at: datetime
    ) -> None:
        self.steps.append((step.id, str(state)))

    def event(self, event: Event) -> None:
        self.events.append(event)


class FakeTime:
    """A clock that sleeping moves on."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self.slept: list[float] = []

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.seconds += seconds

    def clock(self) -> Clock:
        began = datetime(2026, 11, 20, 9, 0, tzinfo=UTC)
        return Clock(lambda: began + timedelta(seconds=self.seconds), self.monotonic, self.sleep)

    def monotonic(self) -> float:
        return self.seconds


def network(name: str, third: int) -> SiteNetwork:
    """A /24 with a gateway at .1 and a range .100-.149."""
    base = f"10.70.{third}"
    return SiteNetwork(
        port_group=name,
        cidr=IPv4Network(f"{base}.0/24"),
        ranges=(AddressRange(IPv4Address(f"{base}.100"), IPv4Address(f"{base}.149")),),
        gateway=IPv4Address(f"{base}.1"),
    )


def site() -> Site:
    """A site like the lab's."""
    return Site(
        name="lab",
        vcenter=VCenter("10.70.0.1", "administrator@vsphere.local", Secret(VCENTER_PASSWORD)),
        datacenter="Datacenter",
        management=ManagementPlacement("management", "management-ds"),
        compute=(ComputeCluster("compute", ("compute-ds",)),),
        image_datastore="shared-ds",
        management_network=network("management", 0),
        external_network=network("external", 1),
        tenant_networks=TenantNetworks("dvs", ((1000, 1999),)),
        template=TEMPLATE,
    )


def facts() -> SiteFacts:
    """What the vCenter of :func:`site` has."""
    size = 2 << 40
    networks = ("management", "external", "trunk")
    return SiteFacts(
        version="8.0.3",
        datacenters=("Datacenter",),
        clusters={
            "management": ClusterFacts(
                "management", ("h1", "h2"), 9000, 65536, ("management-ds", "shared-ds"), networks, ("pool",)
            ),
            "compute": ClusterFacts("compute", ("h3",), 9000, 65536, ("compute-ds", "shared-ds"), networks),
        },
        datastores={
            n: DatastoreFacts(n, size, size, True) for n in ("management-ds", "compute-ds", "shared-ds")
        },
        port_groups={"management": 0, "external": 11, "trunk": None},
        switches=("dvs",),
        templates=(TEMPLATE,),
    )


def spec(name: str = "viaduct", **changes: object) -> CloudSpec:
    """A tiny cloud's spec on :func:`site`."""
    node = Node("node1", ("database",), 2, 6144, IPv4Address("10.70.0.100"), IPv4Address("10.70.1.100"))
    whole = CloudSpec(name, "tiny", (node,), node.external_address, node.management_address)
    return replace(whole, **changes)  # type: ignore[arg-type]


def render(cloud: Cloud, node: Node) -> NodeState:
    """A state that follows the spec's options and a secret."""
    content = f"{cloud.spec.options} {cloud.secret('admin_password')}".encode()
    return NodeState(node.name, (File("/etc/fake.conf", content),), ())


def tools(
    world: World,
    directory: Path,
    records: FakeRecords,
    *,
    name: str = "viaduct",
    time: FakeTime | None = None,
    of_site: Site | None = None,
) -> CloudTools:
    """A cloud's tools, all on ``world``."""
    clock = time or FakeTime()
    return CloudTools(
        name=name,
        site=of_site or site(),
        site_file=directory / "site.yaml",
        lab=False,
        directory=directory,
        vsphere=FakeVSphere(world),
        transport=FakeTransport(),
        applier=FakeApplier(world),
        authority=FakeAuthority(),
        openstack=lambda cloud: FakeOpenStack(world, cloud.spec.name),
        verifier=lambda cloud: FakeVerifier(world),
        render=render,
        records=records,
        patience=Patience(boot=30.0),
        sleep=clock.sleep,
        monotonic=clock.monotonic,
    )
