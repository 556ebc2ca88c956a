"""The handlers of a deployment's steps. Each looks before it acts, so that it can be done again."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping

from viaduct.engine.run import Handler, Report
from viaduct.errors import CloudError, NodeUnreachable, VCenterError, VerificationFailed
from viaduct.model.cloud import Cloud, Node
from viaduct.model.node_state import NodeState
from viaduct.model.observed import NodeVm
from viaduct.model.plan import Step
from viaduct.planning import plan as actions
from viaduct.planning.digests import catalog_digest, cloud_digest, incarnation
from viaduct.planning.names import folder_of, levels, vm_name
from viaduct.provisioning.identity import guestinfo
from viaduct.services.tools import CloudTools


class DeployActions:
    """Does the steps of :mod:`viaduct.planning.plan` for one cloud."""

    def __init__(self, tools: CloudTools, cloud: Cloud, states: Mapping[str, NodeState]) -> None:
        self._tools = tools
        self._cloud = cloud
        self._states = states
        self._nodes = {node.name: node for node in cloud.spec.nodes}
        self._made_folders: set[str] = set()

    def handlers(self) -> dict[str, Handler]:
        """The registry: action -> handler.

        Undone are only steps before the first power-on: what has run is kept, to be looked at and resumed.
        """
        return {
            actions.ENSURE_FOLDER: Handler(self.ensure_folder, undo=self.remove_folder),
            actions.CLONE_NODE: Handler(self.clone_node, undo=self.remove_clone),
            actions.IDENTIFY_NODE: Handler(self.identify_node, undo=_nothing),
            actions.POWER_ON_NODE: Handler(self.power_on_node),
            actions.WAIT_NODE: Handler(self.wait_node),
            actions.APPLY_STATE: Handler(self.apply_state),
            actions.REGISTER_CATALOG: Handler(self.register_catalog),
            actions.WAIT_SERVICES: Handler(self.wait_services),
            actions.VERIFY: Handler(self.verify),
        }

    def ensure_folder(self, step: Step, report: Report) -> None:
        site, vsphere = self._tools.site, self._tools.vsphere
        self._made_folders |= {p for p in levels(self._folder()) if not vsphere.folder_exists(site, p)}
        vsphere.ensure_folder(site, self._folder())

    def remove_folder(self, step: Step, report: Report) -> None:
        site, vsphere = self._tools.site, self._tools.vsphere
        if self._folder() in self._made_folders and vsphere.folder_exists(site, self._folder()):
            vsphere.delete_folder(site, self._folder())
        # The folders above, too, if they were made for it; somebody may use them by now.
        for path in reversed(levels(self._folder())[:-1]):
            if path in self._made_folders:
                with contextlib.suppress(VCenterError):
                    vsphere.delete_folder(site, path)

    def clone_node(self, step: Step, report: Report) -> None:
        # A clone that an earlier process began may have ended meanwhile.
        if self._find(step.target) is None:
            node = self._nodes[step.target]
            self._tools.vsphere.clone_node(self._tools.site, self._cloud.spec.name, node, {}, report)

    def remove_clone(self, step: Step, report: Report) -> None:
        vm = self._find(step.target)
        if vm is not None and vm.power == "poweredOff" and not vm.identified:
            self._tools.vsphere.delete(vm)

    def identify_node(self, step: Step, report: Report) -> None:
        vm = self._vm(step.target)
        macs = self._tools.vsphere.adapter_macs(vm)
        key = self._tools.transport.public_key()
        identity = guestinfo(self._nodes[step.target], self._tools.site, macs, key)
        self._tools.vsphere.set_guestinfo(vm, identity)

    def power_on_node(self, step: Step, report: Report) -> None:
        vm = self._vm(step.target)
        if vm.power != "poweredOn":
            self._tools.vsphere.power_on(vm)

    def wait_node(self, step: Step, report: Report) -> None:
        node = self._nodes[step.target]
        deadline = self._tools.monotonic() + self._tools.patience.boot
        report("waiting for its SSH host key (guestinfo)")
        vm = self._tools.vsphere.wait_for_host_key(self._vm(node.name), self._tools.patience.boot)
        if vm is None:
            raise self._never_answered(node, "has not published its SSH host key")
        report(f"waiting for SSH at {node.management_address}")
        while True:
            try:
                left = deadline - self._tools.monotonic()
                self._tools.applier.digest(node, vm.host_key, max(1.0, min(60.0, left)))
                return
            except NodeUnreachable as error:
                if self._tools.monotonic() >= deadline:
                    raise self._never_answered(node, "does not answer", error) from None
            self._tools.sleep(self._tools.patience.poll)

    def apply_state(self, step: Step, report: Report) -> None:
        node = self._nodes[step.target]
        self._tools.applier.apply(node, self._vm(node.name).host_key, self._states[node.name], report)

    def register_catalog(self, step: Step, report: Report) -> None:
        openstack = self._tools.openstack(self._cloud)
        openstack.wait_for_identity(self._tools.patience.identity)
        openstack.register(self._cloud, report)
        digest = incarnation(catalog_digest(self._cloud), self._all())
        self._tools.records.set_registered(self._cloud.spec.name, digest)

    def wait_services(self, step: Step, report: Report) -> None:
        openstack = self._tools.openstack(self._cloud)
        openstack.wait_for_services(self._cloud, self._tools.patience.services, report)

    def verify(self, step: Step, report: Report) -> None:
        digests = {name: state.digest() for name, state in self._states.items()}
        name = self._cloud.spec.name
        try:
            self._tools.verifier(self._cloud).verify(self._cloud, report)
        except VerificationFailed:
            self._tools.records.set_verified(name, None)
            raise
        whole = cloud_digest(digests, catalog_digest(self._cloud))
        self._tools.records.set_verified(name, incarnation(whole, self._all()))

    def _folder(self) -> str:
        return folder_of(self._tools.site, self._cloud.spec.name)

    def _all(self) -> dict[str, NodeVm]:
        return {vm.node: vm for vm in self._tools.vsphere.nodes(self._cloud.spec.name)}

    def _find(self, node: str) -> NodeVm | None:
        return self._all().get(node)

    def _vm(self, node: str) -> NodeVm:
        vm = self._find(node)
        if vm is None:
            name = vm_name(self._cloud.spec.name, node)
            raise VCenterError(f"The VM '{name}' has vanished from vCenter.", "Run the same command again.")
        return vm

    def _never_answered(self, node: Node, what: str, cause: NodeUnreachable | None = None) -> NodeUnreachable:
        vm = self._find(node.name)
        try:
            console = self._tools.vsphere.console_log(self._tools.site, vm) if vm else ""
        except VCenterError as error:
            console = f"(its console log cannot be read: {error.sentence})"
        advice = cause.remedy if cause else self._check_network()
        return NodeUnreachable(
            f"The node '{node.name}' {what} after {self._tools.patience.boot:g} s"
            f"{f': {cause.sentence}' if cause else '.'}",
            f"Its console log's end is shown above. {advice} Then run the same command again.",
            detail=console,
        )

    def _check_network(self) -> str:
        group = self._tools.site.management_network.port_group
        return f"Check that the port group '{group}' reaches this machine."


def _nothing(step: Step, report: Report) -> None:
    """Identity lies in the VM itself and goes with it."""


def not_settled(reasons: list[str]) -> CloudError:
    """The error for a cloud that still needs steps after several rounds."""
    return CloudError(
        f"The cloud does not settle; still to do: {', '.join(reasons)}.",
        "Run the same command again; if it repeats, look at './viaduct status' and the log file.",
    )
