"""All properties of the kinds, as the official schema wants them, and consistent with each other."""

from __future__ import annotations

from typing import Any

import pytest
from pyVmomi import vmodl

from vcenter_vm.client import MIB, Lab, add_disk, disks, vim

query: Any = vmodl.query.PropertyCollector


def read_all(lab: Lab, obj: Any) -> dict[str, Any]:
    """Every property that the object has a value for, in one call."""
    spec = query.FilterSpec(
        objectSet=[query.ObjectSpec(obj=obj)],
        propSet=[query.PropertySpec(type=type(obj), all=True)],
    )
    result = lab.content.propertyCollector.RetrievePropertiesEx([spec], query.RetrieveOptions())
    (found,) = result.objects
    assert not found.missingSet
    return {prop.name: prop.val for prop in found.propSet}


@pytest.mark.parametrize("state", ["poweredOff", "poweredOn", "suspended", "template", "snapshot"])
def test_machine(lab: Lab, state: str) -> None:
    machine = lab.create("vm", add_disk(2 * MIB), lab.adapter("external"), annotation="a")
    if state in ("poweredOn", "suspended"):
        lab.wait(machine.PowerOn())
    if state == "suspended":
        lab.wait(machine.Suspend())
    if state == "template":
        machine.MarkAsTemplate()
    if state == "snapshot":
        lab.wait(machine.CreateSnapshot_Task("s", "", False, False))
    found = read_all(lab, machine)
    expected = {
        "capability", "config", "datastore", "environmentBrowser", "guest", "guestHeartbeatStatus",
        "layoutEx", "name", "network", "parent", "resourceConfig", "runtime", "storage", "summary",
    }  # fmt: skip
    assert expected <= set(found)
    assert ("resourcePool" in found) == (state != "template")
    assert ("snapshot" in found) == (state == "snapshot")
    assert found["summary"].config.template == found["config"].template == (state == "template")
    assert found["summary"].runtime.powerState == found["runtime"].powerState
    files = {file.name: file for file in found["layoutEx"].file}
    assert {"[compute-ds] vm/vm.vmx", "[compute-ds] vm/vm-flat.vmdk"} <= set(files)
    assert found["storage"].perDatastoreUsage[0].datastore == lab.datastore()
    chain = found["layoutEx"].disk[0].chain[0].fileKey
    names = {file.key: file.name for file in found["layoutEx"].file}
    assert disks(machine)[0].backing.fileName in {names[key] for key in chain}
    if state == "snapshot":
        read_all(lab, machine.snapshot.currentSnapshot)


def test_other_kinds(lab: Lab) -> None:
    lab.create("vm", lab.adapter("external"))
    store = lab.datastore()
    for obj in (store, store.browser, lab.switch, *lab.switch.portgroup):
        found = read_all(lab, obj)
        assert found.get("name", store.name)
    assert len(lab.switch.FetchDVPorts(None)) == lab.switch.config.numPorts
    lease = lab.lease_ready(lab.machines()[0].ExportVm())
    assert {"state", "info", "mode", "capabilities"} <= set(read_all(lab, lease))
    lease.HttpNfcLeaseComplete()


def test_waiting_client_sees_each_step(lab: Lab) -> None:
    """One filter is enough to follow a machine: no polling."""
    machine = lab.create("vm")
    collector = lab.content.propertyCollector.CreatePropertyCollector()
    spec = query.FilterSpec(
        objectSet=[query.ObjectSpec(obj=machine)],
        propSet=[query.PropertySpec(type=vim.VirtualMachine, pathSet=["runtime.powerState", "name"])],
    )
    collector.CreateFilter(spec, False)
    version, seen = "", []
    for step in (None, machine.PowerOn, machine.PowerOff, lambda: machine.Rename_Task("new")):
        if step is not None:
            lab.wait(step())
        update = collector.WaitForUpdatesEx(version, query.WaitOptions(maxWaitSeconds=5))
        version = update.version
        seen += [
            change.val
            for filtered in update.filterSet
            for obj in filtered.objectSet
            for change in obj.changeSet
        ]
    collector.DestroyPropertyCollector()
    assert seen == ["poweredOff", "vm", "poweredOn", "poweredOff", "new"]
