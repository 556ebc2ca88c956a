"""A site file that is right in itself, but does not fit the vCenter: refused before anything is made."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from pyVim.task import WaitForTask
from pyVmomi import vim
from vcenter_site import TEMPLATE, Center, Relay

from faults.commands import BAD_INPUT, OK
from faults.conftest import SiteFile, Viaduct, untouched
from faults.vcenter_with_tools import KEY
from viaduct.planning import preflight
from viaduct.vsphere.trust import presented_chain, thumbprint

# Field -> a name that is nearly right, how the problem is told, what is offered.
NAMES = [
    (
        "datacenter",
        "Datacentre",
        "datacenter: vCenter has no datacenter 'Datacentre'",
        "Did you mean 'Datacenter'?",
    ),
    ("management.cluster", "manegement", "there is no cluster 'manegement'", "Did you mean 'management'?"),
    (
        "management.datastore",
        "managment-ds",
        "there is no datastore 'managment-ds'",
        "Did you mean 'management-ds'?",
    ),
    ("management.datastore", "compute-ds", "do not mount the datastore 'compute-ds'", "'management-ds'"),
    ("management.resource_pool", "viaduct", "has no resource pool 'viaduct'", ""),
    ("compute.0.cluster", "Compute1", "there is no cluster 'Compute1'", "Did you mean 'compute'?"),
    (
        "compute.0.datastores",
        ["nfs"],
        "compute[0].datastores[0]: there is no datastore 'nfs'",
        "vCenter has:",
    ),
    ("images.datastore", "sharedds", "images.datastore: there is no datastore", "Did you mean 'shared-ds'?"),
    ("networks.management.port_group", "managment", "there is no port group", "Did you mean 'management'?"),
    ("networks.external.port_group", "VLAN11", "there is no port group 'VLAN11'", "vCenter has: 'external'"),
    ("tenant_networks.switch", "dvs1", "there is no distributed switch 'dvs1'", "Did you mean 'dvs'?"),
    ("appliance.template", TEMPLATE[:-1], "there is no template", f"Did you mean '{TEMPLATE}'?"),
]


@pytest.mark.parametrize(("path", "value", "said", "remedy"), NAMES)
def test_an_unknown_name_is_told_with_the_nearest(
    viaduct: Viaduct, site: SiteFile, any_port: Center, path: str, value: object, said: str, remedy: str
) -> None:
    site.set(path, value)
    with untouched(any_port, site.path.parent / "state"):
        told = viaduct("up", "--site", str(site.path))
    told.refuses("PREFLIGHT-001", path.replace(".0", "[0]"), said, remedy)


def test_all_unknown_names_are_told_at_once(viaduct: Viaduct, site: SiteFile, any_port: Center) -> None:
    told_fields = []
    for path, value, _, _ in NAMES:
        if path != "datacenter" and value not in ("compute-ds", "viaduct"):
            site.set(path, value)
            told_fields.append(path.replace(".0", "[0]"))
    with untouched(any_port, site.path.parent / "state"):
        told = viaduct("up", "--site", str(site.path))
    told.refuses("PREFLIGHT-001")
    for field in told_fields:
        assert f"error PREFLIGHT-001: {field}" in told.err


def test_another_port_than_glance_can_reach(viaduct: Viaduct, site: SiteFile, any_port: Center) -> None:
    """Told before keys and records of a cloud are made, and by ``plan`` already."""
    relay = Relay(any_port.server.host, any_port.server.port)
    site.set("vcenter.host", "127.0.0.1")
    site.set("vcenter.port", relay.port)
    site.set("vcenter.ca_file", None)
    site.set("vcenter.thumbprint", thumbprint(presented_chain(any_port.vcenter)[0]))
    try:
        with untouched(any_port, site.path.parent / "state"):
            plan, up = (viaduct(verb, "--site", str(site.path)) for verb in ("plan", "up"))
    finally:
        relay.close()
    for told in (plan, up):
        told.refuses("PREFLIGHT-001", f"vcenter.port: it is {relay.port}", "on port 443 only")


def _neighbour(center: Center, address: str) -> Any:
    """A VM of somebody else's that runs and reports ``address``."""
    group = center.entity(vim.dvs.DistributedVirtualPortgroup, "management")
    connection = vim.dvs.PortConnection(
        portgroupKey=group.key, switchUuid=group.config.distributedVirtualSwitch.uuid
    )
    card = vim.vm.device.VirtualVmxnet3(
        key=-1,
        addressType="generated",
        backing=vim.vm.device.VirtualEthernetCard.DistributedVirtualPortBackingInfo(port=connection),
    )
    machine = center.make_machine(
        "neighbour",
        center.entity(vim.Datacenter, "Datacenter").vmFolder,
        deviceChange=[vim.vm.device.VirtualDeviceSpec(operation="add", device=card)],
        extraConfig=[vim.option.OptionValue(key=KEY, value=address)],
    )
    WaitForTask(machine.PowerOnVM_Task())
    assert machine.guest.net[0].ipAddress == [address]
    return machine


@pytest.fixture
def neighbour(center: Center) -> Iterator[str]:
    """The first address of the management range is held by somebody else's VM."""
    machine = _neighbour(center, "127.93.0.100")
    yield "127.93.0.100"
    WaitForTask(machine.PowerOffVM_Task())
    WaitForTask(machine.Destroy_Task())


def test_an_address_in_use_is_passed_over(viaduct: Viaduct, site: SiteFile, neighbour: str) -> None:
    told = viaduct("plan", "--site", str(site.path), "--export", "-")
    assert told.status == OK, told.text
    assert "management_address: 127.93.0.101" in told.out


def test_a_range_that_is_used_up(viaduct: Viaduct, site: SiteFile, center: Center, neighbour: str) -> None:
    site.set("networks.management.ranges", [neighbour])
    with untouched(center, site.path.parent / "state"):
        told = viaduct("up", "--site", str(site.path))
    said = ("networks.management.ranges has no free address left for node1", "a larger range")
    told.refuses("INPUT-201", *said, status=BAD_INPUT)


def test_an_address_that_was_asked_for_and_is_in_use(
    viaduct: Viaduct, site: SiteFile, center: Center, neighbour: str
) -> None:
    spec = site.path.with_name("spec.yaml")
    spec.write_text(f"nodes:\n  - name: node1\n    management_address: {neighbour}\n")
    with untouched(center, site.path.parent / "state"):
        told = viaduct("up", "--site", str(site.path), "--spec", str(spec))
    told.refuses("PREFLIGHT-001", f"{neighbour} of 'node1' is in use by the VM 'neighbour'", "in the spec")


def test_an_address_outside_of_its_network(viaduct: Viaduct, site: SiteFile, center: Center) -> None:
    spec = site.path.with_name("spec.yaml")
    spec.write_text("nodes:\n  - name: node1\n    external_address: 10.9.9.9\n")
    with untouched(center, site.path.parent / "state"):
        told = viaduct("up", "--site", str(site.path), "--spec", str(spec))
    told.refuses("INPUT-201", "10.9.9.9 is not in networks.external", "127.93.1.100", status=BAD_INPUT)


def _marked(center: Center, name: str) -> Any:
    """A node of a cloud that another manager has deployed."""
    marks = {"viaduct.cloud": name, "viaduct.node": "node1"}
    folder = center.entity(vim.Datacenter, "Datacenter").vmFolder
    options = [vim.option.OptionValue(key=key, value=value) for key, value in marks.items()]
    return center.make_machine(f"{name}-node1", folder, extraConfig=options)


@pytest.mark.parametrize("verb", ["plan", "up"])
def test_a_cloud_of_that_name_is_already_there(
    viaduct: Viaduct, site: SiteFile, center: Center, verb: str
) -> None:
    machine = _marked(center, "east")
    try:
        with untouched(center, site.path.parent / "state"):
            told = viaduct(verb, "--site", str(site.path), "--name", "east")
        told.refuses(
            "PREFLIGHT-001", "A cloud named 'east' is already there (east-node1)", "--name", "--state"
        )
        # Another name is as good as ever.
        assert viaduct("plan", "--site", str(site.path), "--name", "west").status == OK
    finally:
        WaitForTask(machine.Destroy_Task())


def test_a_foreign_vm_where_the_node_would_go(viaduct: Viaduct, site: SiteFile, center: Center) -> None:
    """Not marked as ours, but of the node's name in the cloud's folder: it is left alone."""
    root = center.entity(vim.Datacenter, "Datacenter").vmFolder
    folder = root.CreateFolder("Viaduct").CreateFolder("north")
    machine = center.make_machine("north-node1", folder)
    WaitForTask(machine.PowerOnVM_Task())
    try:
        told = viaduct("up", "--site", str(site.path), "--name", "north")
        told.refuses(
            "VCENTER-001", "north-node1 exists in the cloud's folder", "delete or move it in vCenter"
        )
        assert machine.runtime.powerState == "poweredOn"
    finally:
        WaitForTask(machine.PowerOffVM_Task())
        WaitForTask(machine.Destroy_Task())
        WaitForTask(folder.parent.Destroy_Task())


def test_too_little_space_on_the_datastore(
    viaduct: Viaduct, site: SiteFile, center: Center, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(preflight, "NODE_DISK_BYTES", 1 << 60)
    with untouched(center, site.path.parent / "state"):
        told = viaduct("up", "--site", str(site.path))
    told.refuses(
        "PREFLIGHT-001", "management.datastore: 'management-ds' has", "GiB free", "name another datastore"
    )
