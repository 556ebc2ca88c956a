"""The corrections of Nova's driver, one by one, against a recorded session."""

# ruff: noqa: E402  (imports wait until it is known that Nova is there)

from __future__ import annotations

import io
import tarfile
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, ClassVar

import pytest
from apart import need

need("nova", "cinder")

from nova import exception, objects
from nova.network import model as network_model
from nova.virt import netutils
from nova.virt.vmwareapi import images, vim_util, vm_util, vmops
from oslo_vmware import exceptions as vmware_exceptions
from oslo_vmware import vim_util as vmware_util

from conftest import Session
from viaduct_drivers.nova import config_drive, create_vm, driver, ova, patches, resize, snapshot, soft_stop
from viaduct_drivers.nova.ownership import CLOUD_KEY
from viaduct_drivers.nova.vmops import ViaductVMOps
from viaduct_drivers.nova.volumes import ViaductVolumeOps

FAULT = vmware_exceptions.VimFaultException(["InvalidArgument"], "A specified parameter was not correct")


def _device(kind: str, **values: Any) -> Any:
    return type(kind, (SimpleNamespace,), {})(**values)


def _disk(path: str, uuid: str = "u", **values: Any) -> Any:
    backing = _device("VirtualDiskFlatVer2BackingInfo", fileName=path, uuid=uuid)
    return _device(
        "VirtualDisk", **{"key": 2000, "controllerKey": 1000, "unitNumber": 0, "backing": backing, **values}
    )


def _array(*devices: Any) -> Any:
    return _device("ArrayOfVirtualDevice", VirtualDevice=list(devices))


class TestCreateVM:
    @pytest.fixture(autouse=True)
    def pauses(self, monkeypatch: pytest.MonkeyPatch, conf: Any) -> list[float]:
        pauses: list[float] = []
        monkeypatch.setattr(create_vm.time, "sleep", pauses.append)
        return pauses

    def _create(self, session: Session, instance: Any) -> Any:
        spec = session.vim.client.factory.create("ns0:VirtualMachineConfigSpec")
        spec.guestId = "otherGuest"
        made = create_vm.create_vm(session, instance, "folder", spec, "pool")
        return made, spec

    def test_a_fault_that_stays_is_told_in_seconds(self, instance: Any, pauses: list[float]) -> None:
        session = Session(CreateVM_Task=FAULT)
        for _ in range(3):
            with pytest.raises(vmware_exceptions.VimFaultException):
                self._create(session, instance)
        assert pauses == [1, 2, 4] * 3
        assert len(session.calls) == 12

    def test_a_fault_that_passes_is_survived(self, instance: Any, pauses: list[float]) -> None:
        answers = iter([FAULT, "vm-1"])
        assert self._create(Session(CreateVM_Task=lambda *a, **k: next(answers)), instance)[0] == "vm-1"
        assert pauses == [1]

    def test_other_errors_are_not_retried(self, instance: Any, pauses: list[float]) -> None:
        with pytest.raises(vmware_exceptions.DuplicateName):
            self._create(Session(CreateVM_Task=vmware_exceptions.DuplicateName("there")), instance)
        assert pauses == []

    def test_the_cloud_is_written_down(self, instance: Any, conf: Any) -> None:
        conf.set_override("cloud", "c1", group="viaduct_vsphere")
        _, spec = self._create(Session(CreateVM_Task="vm-1"), instance)
        assert [(o.key, o.value) for o in spec.extraConfig] == [(CLOUD_KEY, "c1")]

    def test_without_a_cloud_nothing_is(self, instance: Any) -> None:
        _, spec = self._create(Session(CreateVM_Task="vm-1"), instance)
        assert spec.extraConfig is None


def test_patches_reach_upstream(monkeypatch: pytest.MonkeyPatch) -> None:
    for module, name in (
        (images, "upload_iso_to_datastore"),
        (images, "fetch_image"),
        (images, "fetch_image_ova"),
        (vm_util, "create_vm"),
    ):
        monkeypatch.setattr(module, name, getattr(module, name))
    monkeypatch.delattr(vim_util, "get_moref_value", raising=False)
    patches.install()
    assert vmops.vm_util.create_vm is create_vm.create_vm
    assert vmops.images.fetch_image_ova is ova.fetch_image_ova
    from nova.virt.vmwareapi import ds_util

    reference = vmware_util.get_moref("datastore-1", "Datastore")
    assert ds_util.vim_util.get_moref_value(reference) == "datastore-1"
    monkeypatch.delattr(vim_util, "get_moref_value")


class TestResize:
    @pytest.mark.parametrize(
        ("path", "made_for_the_flavor"),
        [
            ("[ds] vm/ephemeral_0.vmdk", True),
            ("[ds] vm/ephemeral_12.vmdk", True),
            ("[ds] vm/swap.vmdk", True),
            ("[ds] vm/swap-000001.vmdk", True),
            ("[ds] vm/vm.vmdk", False),
            ("[swap-ds] vm/vm.vmdk", False),
            ("[ephemeral] vm/vm.vmdk", False),
            ("[ds] swap/volume-1.vmdk", False),
            ("[ds] vm/my-swap.vmdk", False),
        ],
    )
    def test_only_disks_of_the_flavor_are_destroyed(
        self, path: str, made_for_the_flavor: bool, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        disk = _disk(path)
        destroyed: list[Any] = []
        monkeypatch.setattr(
            vm_util, "detach_devices_from_vm", lambda s, vm, devices: destroyed.extend(devices)
        )
        session = Session(get_object_property=_array(_device("VirtualIDEController", key=200), disk))
        ops = object.__new__(ViaductVMOps)
        ops._session = session
        ops._remove_ephemerals_and_swap("vm-1")
        assert destroyed == ([disk] if made_for_the_flavor else [])

    def test_boot_from_volume_is_seen(self) -> None:
        root = {"boot_index": 0, "connection_info": {}}
        assert resize.boots_from_volume({"block_device_mapping": [{"boot_index": None}, root]})
        assert not resize.boots_from_volume({"block_device_mapping": [{"boot_index": None}]})
        assert not resize.boots_from_volume(None)

    def _migration(self, monkeypatch: pytest.MonkeyPatch, source: str, dest: str) -> Any:
        found = SimpleNamespace(source_compute=source, dest_compute=dest)
        monkeypatch.setattr(objects.Migration, "get_by_id", lambda context, id: found)
        return SimpleNamespace(migration_context=SimpleNamespace(migration_id=1), uuid="u")

    def test_another_cluster_is_refused(self, monkeypatch: pytest.MonkeyPatch) -> None:
        server = self._migration(monkeypatch, "cluster-a", "cluster-b")
        with pytest.raises(exception.InstanceFaultRollback) as raised:
            resize.refuse_another_cluster(None, server)
        assert "cluster-a to cluster-b" in str(raised.value.inner_exception)

    def test_the_same_cluster_is_not(self, monkeypatch: pytest.MonkeyPatch) -> None:
        resize.refuse_another_cluster(None, self._migration(monkeypatch, "cluster-a", "cluster-a"))
        resize.refuse_another_cluster(None, SimpleNamespace(migration_context=None))

    def test_order_of_a_resize(self, monkeypatch: pytest.MonkeyPatch) -> None:
        done: list[Any] = []
        nova = object.__new__(driver.ViaductVCDriver)
        nova._vmops = SimpleNamespace(
            power_off=lambda instance, timeout, interval: done.append(("off", timeout, interval)),
            migrate_disk_and_power_off=lambda *a: done.append("upstream"),
            resize_without_root_disk=lambda *a: done.append("without root disk"),
        )
        server = SimpleNamespace(migration_context=None)
        nova.migrate_disk_and_power_off(
            None, server, "dest", "flavor", [], None, timeout=60, retry_interval=10
        )
        volume = {"block_device_mapping": [{"boot_index": 0}]}
        nova.migrate_disk_and_power_off(None, server, "dest", "flavor", [], volume)
        assert done == [("off", 60, 10), "upstream", ("off", 0, 0), "without root disk"]


def test_the_clone_of_a_snapshot_has_no_identity() -> None:
    session = Session(CloneVM_Task="task", get_object_property=SimpleNamespace(result="vm-2"))
    clone = snapshot.clone_for_export(session, "vm-1", "snapshot-1", SimpleNamespace(vmFolder="folder"))
    assert clone == "vm-2"
    method, args, kwargs = session.calls[0]
    assert (method, args, kwargs["folder"]) == ("CloneVM_Task", ("vm-1",), "folder")
    spec = kwargs["spec"]
    assert {o.key: o.value for o in spec.config.extraConfig} == {"nvp.vm-uuid": "", CLOUD_KEY: ""}
    assert (spec.template, spec.powerOn, spec.snapshot) == (True, False, "snapshot-1")
    assert spec.location.diskMoveType == "createNewChildDiskBacking"


class TestSoftStop:
    def test_looks_often(self) -> None:
        intervals: list[float] = []

        def shutdown(interval: float) -> bool:
            intervals.append(interval)
            return True

        assert soft_stop.attempt(shutdown, 10)
        assert soft_stop.attempt(shutdown, 0)
        assert soft_stop.attempt(shutdown, 0.1)
        assert intervals == [0.5, 0.5, 0.1]

    def test_a_fault_leads_to_the_power_button(self) -> None:
        def shutdown(interval: float) -> bool:
            raise vmware_exceptions.ToolsUnavailableException()

        assert not soft_stop.attempt(shutdown, 10)

    def test_upstream_calls_ours(self, monkeypatch: pytest.MonkeyPatch, instance: Any) -> None:
        seen: list[float] = []
        monkeypatch.setattr(
            vmops.VMwareVMOps,
            "_clean_shutdown",
            lambda self, i, timeout, interval: bool(seen.append(interval)) or True,
        )
        object.__new__(ViaductVMOps).power_off(instance, 60, 10)
        assert seen == [0.5]


class TestVolumes:
    DATA: ClassVar = {"volume": "vm-9", "volume_id": "v1", "name": "volume-v1"}

    @pytest.fixture
    def ops(self, monkeypatch: pytest.MonkeyPatch) -> ViaductVolumeOps:
        monkeypatch.setattr(vm_util, "get_vm_ref", lambda session, instance: "vm-1")
        shadow = _array(_disk("[ds] volume-v1/volume-v1.vmdk", uuid="v1", capacityInKB=1 << 20))
        server = _array(
            _device("VirtualLsiLogicController", key=1000, busNumber=0, scsiCtlrUnitNumber=7),
            _disk("[ds] vm/vm.vmdk", uuid="root", capacityInKB=1 << 20, capacityInBytes=1 << 30),
            _disk(
                "[ds] volume-v1/volume-v1.vmdk",
                uuid="v1",
                unitNumber=1,
                capacityInKB=1 << 20,
                capacityInBytes=1 << 30,
            ),
        )

        def properties(reference: Any, path: str) -> Any:
            if path.startswith("config.extraConfig"):
                return SimpleNamespace(value="v1")
            return server if reference == "vm-1" else shadow

        return ViaductVolumeOps(Session(get_object_property=properties), "cluster")

    def test_attach_is_one_step(self, ops: ViaductVolumeOps, instance: Any) -> None:
        ops._attach_volume_vmdk({"data": self.DATA}, instance, adapter_type="lsiLogic")
        reconfigurations = [
            kwargs["spec"] for method, _, kwargs in ops._session.calls if method == "ReconfigVM_Task"
        ]
        (spec,) = reconfigurations
        assert {o.key: o.value for o in spec.extraConfig} == {"volume-v1": "v1"}
        (change,) = spec.deviceChange
        assert change.device.backing.fileName == "[ds] volume-v1/volume-v1.vmdk"
        assert (change.device.controllerKey, change.device.unitNumber) == (1000, 2)
        assert not hasattr(change, "fileOperation")

    def test_ide_is_not_attached_to_a_running_server(
        self, ops: ViaductVolumeOps, instance: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(vm_util, "get_vm_state", lambda session, i: 1)
        with pytest.raises(exception.Invalid, match="hotplug"):
            ops._attach_volume_vmdk({"data": self.DATA}, instance, adapter_type="ide")

    def test_an_attached_volume_grows(self, ops: ViaductVolumeOps, instance: Any) -> None:
        connection = {"driver_volume_type": "vmdk", "data": self.DATA}
        ops.extend_volume(connection, instance, 3 << 30)
        spec = ops._session.calls[-1][2]["spec"]
        (change,) = spec.deviceChange
        assert change.operation == "edit"
        assert change.device.backing.uuid == "v1"
        assert (change.device.capacityInKB, change.device.capacityInBytes) == (3 << 20, 3 << 30)

    def test_what_cinder_grew_already_is_left(self, ops: ViaductVolumeOps, instance: Any) -> None:
        ops.extend_volume({"driver_volume_type": "vmdk", "data": self.DATA}, instance, 1 << 30)
        assert "ReconfigVM_Task" not in ops._session.methods()

    def test_other_kinds_do_not_grow(self, ops: ViaductVolumeOps, instance: Any) -> None:
        with pytest.raises(exception.ExtendVolumeNotSupported):
            ops.extend_volume({"driver_volume_type": "iscsi", "data": {}}, instance, 1 << 30)

    def test_nova_may_extend(self) -> None:
        assert driver.ViaductVCDriver.capabilities["supports_extend_volume"]


def _ova(disk: bytes, *, name: str = "disk1.vmdk") -> bytes:
    descriptor = (
        '<Envelope xmlns="http://schemas.dmtf.org/ovf/envelope/1" xmlns:ovf="http://schemas.dmtf.org/ovf/envelope/1">'
        '<References><File ovf:id="f" ovf:href="disk1.vmdk"/></References>'
        '<DiskSection><Disk ovf:diskId="d" ovf:fileRef="f"/></DiskSection></Envelope>'
    )
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for member, content in (("vm.ovf", descriptor.encode()), ("vm.mf", b"x" * 700), (name, disk)):
            info = tarfile.TarInfo(member)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return buffer.getvalue()


class TestOva:
    @pytest.fixture
    def boot(self, monkeypatch: pytest.MonkeyPatch, instance: Any) -> Callable[[bytes], tuple[Any, Any]]:
        def boot(archive: bytes) -> tuple[Any, Any]:
            lease = SimpleNamespace(data=b"", size=None, get_imported_vm=lambda: "vm-3", close=lambda: None)

            def write(data: bytes) -> None:
                lease.data += data

            def handle(
                session: Any, host: str, port: int, pool: Any, folder: Any, spec: Any, size: int
            ) -> Any:
                lease.size, lease.write = size, write
                return lease

            monkeypatch.setattr(
                images.IMAGE_API,
                "download",
                lambda c, i: iter([archive[:3000], archive[3000:]]),
                raising=False,
            )
            monkeypatch.setattr(ova.rw_handles, "VmdkWriteHandle", handle)
            monkeypatch.setattr(
                vm_util, "get_vmdk_info", lambda s, vm: SimpleNamespace(capacity_in_bytes=1 << 30)
            )
            session = Session()
            session._host, session._port = "vc", 443  # type: ignore[attr-defined]
            capacity = ova.fetch_image_ova(None, instance, session, "tmp", "ds", "folder", "pool")
            assert session.methods() == ["UnregisterVM"]
            return capacity, lease

        return boot

    def test_the_lease_expects_the_disk_and_gets_it(self, boot: Callable[[bytes], tuple[Any, Any]]) -> None:
        disk = bytes(range(256)) * 300
        capacity, lease = boot(_ova(disk))
        assert capacity == 1 << 30
        assert lease.data == disk
        assert lease.size == len(disk)

    def test_an_ova_without_its_disk_is_refused(self, boot: Callable[[bytes], tuple[Any, Any]]) -> None:
        with pytest.raises(exception.ImageUnacceptable, match="no disk"):
            boot(_ova(b"x", name="readme.txt"))


class TestNewService:
    def _driver(self, uuids: list[str]) -> driver.ViaductVCDriver:
        nova = object.__new__(driver.ViaductVCDriver)
        nova._vmops = SimpleNamespace(list_instances=lambda: uuids)
        nova._session = SimpleNamespace(vim=object())
        nova._cluster_name = "compute"
        nova._tolerate_once = False
        return nova

    def _service(self, monkeypatch: pytest.MonkeyPatch, *, known: bool) -> None:
        def get(context: Any, host: str) -> Any:
            if not known:
                raise exception.ComputeHostNotFound(host=host)

        monkeypatch.setattr(objects.Service, "get_by_compute_host", get)

    def test_starts_although_servers_of_a_former_life_exist(
        self, monkeypatch: pytest.MonkeyPatch, conf: Any
    ) -> None:
        self._service(monkeypatch, known=False)
        nova = self._driver(["u1"])
        nova.init_host("compute")
        assert nova.list_instance_uuids() == []
        assert nova.list_instance_uuids() == ["u1"]

    def test_a_known_service_sees_its_servers(self, monkeypatch: pytest.MonkeyPatch, conf: Any) -> None:
        self._service(monkeypatch, known=True)
        nova = self._driver(["u1"])
        nova.init_host("compute")
        assert nova.list_instance_uuids() == ["u1"]

    def test_refuses_when_told_to(self, monkeypatch: pytest.MonkeyPatch, conf: Any) -> None:
        self._service(monkeypatch, known=False)
        conf.set_override("refuse_unknown_instances", True, group="viaduct_vsphere")
        nova = self._driver(["u1"])
        nova.init_host("compute")
        assert nova.list_instance_uuids() == ["u1"]
        conf.clear_override("refuse_unknown_instances", group="viaduct_vsphere")


def test_live_migration_needs_no_datastore_regex(conf: Any) -> None:
    conf.set_override("cluster_name", "compute", group="vmware")
    nova = object.__new__(driver.ViaductVCDriver)
    data = nova.check_can_live_migrate_destination(None, None, None, None)
    assert (data.cluster_name, data.datastore_regex) == ("compute", ".*")
    conf.set_override("datastore_regex", "^a$", group="vmware")
    assert nova.check_can_live_migrate_destination(None, None, None, None).datastore_regex == "^a$"
    conf.clear_override("cluster_name", group="vmware")


class TestConfigDrive:
    """Nothing answers DHCP on a plain distributed switch."""

    def network(self) -> Any:
        subnet = network_model.Subnet(
            cidr="192.0.2.0/24",
            gateway=network_model.IP("192.0.2.1"),
            ips=[network_model.FixedIP(address="192.0.2.5")],
            enable_dhcp=True,
            dhcp_server="192.0.2.2",
        )
        network = network_model.Network(id="n-1", label="net", subnets=[subnet], mtu=1500)
        vif = network_model.VIF(id="v-1", address="fa:16:3e:00:00:01", network=network, type="dvs")
        return network_model.NetworkInfo([vif])

    def described(self, network_info: Any) -> Any:
        (described,) = netutils.get_network_metadata(network_info)["networks"]
        return described

    def test_it_says_the_address(self) -> None:
        described = self.described(config_drive.with_addresses(self.network()))
        assert described["type"] == "ipv4"
        assert described["ip_address"] == "192.0.2.5"
        assert described["netmask"] == "255.255.255.0"

    def test_what_the_server_is_given_stays_as_it_is(self) -> None:
        network_info = self.network()
        config_drive.with_addresses(network_info)
        assert network_info == self.network()

    def test_upstream_leaves_it_to_dhcp(self) -> None:
        assert self.described(self.network())["type"] == "ipv4_dhcp", "mended upstream: drop ours"
