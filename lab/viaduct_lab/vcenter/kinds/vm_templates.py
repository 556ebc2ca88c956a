"""The appliance as a template, as if it had been imported from its OVA."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from viaduct_lab.storage.paths import DatastorePath
from viaduct_lab.vcenter.core.kinds import on_start
from viaduct_lab.vcenter.core.types import vim
from viaduct_lab.vcenter.kinds.cluster_compute_resource import ClusterComputeResource
from viaduct_lab.vcenter.kinds.datacenter import Datacenter
from viaduct_lab.vcenter.kinds.datastore import datastore_named
from viaduct_lab.vcenter.kinds.dvs_portgroup import DistributedVirtualPortgroup
from viaduct_lab.vcenter.kinds.folder import Folder
from viaduct_lab.vcenter.kinds.host_system import HostSystem
from viaduct_lab.vcenter.kinds.virtual_machine import VirtualMachine
from viaduct_lab.vcenter.vm import editing, edits, layout, making, settings
from viaduct_lab.vcenter.vm.state import Hardware, VmState
from viaduct_lab.vcenter.vm.storage_service import blocking, files_of

if TYPE_CHECKING:
    from viaduct_lab.vcenter.core.center import VCenter

FOLDER = "Templates"
NETWORK = "management"
CPUS, MEMORY_MB, DISK_BYTES = 2, 4096, 40 << 30
_d = vim.vm.device


@on_start(50)
async def offer_appliance(center: VCenter) -> None:
    """Make the template of ``config.image_manifest``, unless it is there. Older ones remain."""
    manifest = center.config.image_manifest
    if manifest is None:
        return
    image = json.loads(manifest.read_text())
    name = f"viaduct-appliance-{image['id']}"
    folder = _folder(center)
    if any(child.name == name for child in folder.children()):
        return
    layers = tuple((manifest.parent / layer).resolve() for layer in image["layers"])
    await make_template(center, folder, name, layers, str(image.get("version", "")))


def _folder(center: VCenter) -> Folder:
    top = center.registry.of_kind(Datacenter)[0].folder("vm")
    for child in top.children():
        if isinstance(child, Folder) and child.name == FOLDER:
            return child
    return Folder.create(center, top, FOLDER, "vm")


async def make_template(
    center: VCenter, folder: Folder, name: str, layers: tuple[Path, ...], version: str
) -> VirtualMachine:
    """A template with a system disk over ``layers``, on the first cluster's first datastore."""
    cluster = center.config.inventory.clusters[0]
    files = files_of(center)
    store = datastore_named(center, cluster.datastores[0])
    home = making.Home(await blocking(files.unused_folder, store.name, name), f"{name}.vmx", True)
    async with making.cleared(center, home):
        disk = home.folder / f"{name}.vmdk"
        await blocking(files.disks.create_system, disk, DISK_BYTES, layers)
        machine = _machine(center, folder, name, home, version)
        edit = edits.apply_changes(
            machine.state.devices, _devices(center, disk), await editing.context(machine)
        )
        known = {action.key: await blocking(files.disks.info, disk) for action in edit.actions}  # type: ignore[union-attr]
        machine.state.devices = edit.devices
        machine.complete_disks(known)
        await making.enlist(machine, _host(center, cluster.name), None)
    return machine


def _machine(center: VCenter, folder: Folder, name: str, home: making.Home, version: str) -> VirtualMachine:
    now = center.now()
    hardware = Hardware(home.folder, home.vmx, guest_id="debian12_64Guest", template=True)
    state = VmState(hardware, layout.default_devices(), now, now)
    spec = vim.vm.ConfigSpec(
        numCPUs=CPUS,
        memoryMB=MEMORY_MB,
        firmware="bios",
        annotation=f"Viaduct appliance {version}",
    )
    settings.apply(state, spec)
    moid = center.registry.new_moid(VirtualMachine.moid_prefix)
    return VirtualMachine(center, moid, name, folder.moid, state)


def _devices(center: VCenter, disk: DatastorePath) -> list[Any]:
    devices = [
        _d.ParaVirtualSCSIController(key=-101, busNumber=0, sharedBus="noSharing"),
        _d.VirtualDisk(
            key=-1,
            controllerKey=-101,
            unitNumber=0,
            capacityInKB=DISK_BYTES // 1024,
            backing=_d.VirtualDisk.FlatVer2BackingInfo(
                fileName=str(disk), diskMode="persistent", thinProvisioned=True
            ),
        ),
    ]
    group = next((g for g in center.registry.of_kind(DistributedVirtualPortgroup) if g.name == NETWORK), None)
    if group is not None:
        port = vim.dvs.PortConnection(switchUuid=group.switch.uuid, portgroupKey=group.moid)
        backing = _d.VirtualEthernetCard.DistributedVirtualPortBackingInfo(port=port)
        devices.append(_d.VirtualVmxnet3(key=-2, backing=backing))
    return [_d.VirtualDeviceSpec(operation="add", device=device) for device in devices]


def _host(center: VCenter, cluster: str) -> HostSystem:
    for each in center.registry.of_kind(ClusterComputeResource):
        if each.name == cluster:
            return each.hosts()[0]
    return center.registry.of_kind(HostSystem)[0]
