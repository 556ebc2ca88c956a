"""The corrections of Cinder's VMDK driver, one by one, against a recorded session."""

# ruff: noqa: E402  (imports wait until it is known that Cinder is there)

from __future__ import annotations

import io
import tarfile
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any, ClassVar

import pytest
from apart import need

need("cinder", "nova")

from cinder import context as cinder_context
from cinder import exception, objects
from cinder.volume import configuration
from cinder.volume.drivers.vmware import exceptions as vmdk_exceptions
from cinder.volume.drivers.vmware import vmdk
from cinder.volume.drivers.vmware import volumeops as upstream_volumeops
from oslo_config import cfg

from viaduct_drivers.cinder import pbm_version
from viaduct_drivers.cinder.vmdk import ViaductVmdkDriver
from viaduct_drivers.cinder.volumeops import ViaductVolumeOps


def _device(kind: str, **values: Any) -> Any:
    return type(kind, (SimpleNamespace,), {})(**values)


def _disk(uuid: str, size_gb: int) -> Any:
    backing = _device("VirtualDiskFlatVer2BackingInfo", fileName=f"[ds] {uuid}/{uuid}.vmdk", uuid=uuid)
    return _device(
        "VirtualDisk", key=2000, backing=backing, capacityInKB=size_gb << 20, capacityInBytes=size_gb << 30
    )


class Session:
    """A vCenter session that records calls and answers from a table."""

    def __init__(self, **answers: Any) -> None:
        self.answers = answers
        self.calls: list[tuple[str, tuple[Any, ...], dict[str, Any]]] = []
        factory = SimpleNamespace(create=lambda name: _device(name.partition(":")[2]))
        content = SimpleNamespace(searchIndex="index", virtualDiskManager="disks")
        self.vim = SimpleNamespace(client=SimpleNamespace(factory=factory), service_content=content)

    def invoke_api(self, module: Any, method: str, *args: Any, **kwargs: Any) -> Any:
        self.calls.append((method, args, kwargs))
        answer = self.answers.get(method)
        return answer(*args, **kwargs) if callable(answer) else answer

    def wait_for_task(self, task: Any) -> Any:
        return SimpleNamespace(result=task)


@pytest.fixture(scope="module", autouse=True)
def _cinder() -> None:
    objects.register_all()
    cfg.CONF([], project="cinder", default_config_files=[])


@pytest.fixture(autouse=True)
def _no_overrides() -> Iterator[None]:
    yield
    cfg.CONF.reset()
    for option in vmdk.vmdk_opts:
        if "vsphere" in cfg.CONF:
            cfg.CONF.clear_override(option.name, group="vsphere")


def _driver(session: Session, **options: Any) -> ViaductVmdkDriver:
    driver = ViaductVmdkDriver(configuration=configuration.Configuration(vmdk.vmdk_opts, "vsphere"))
    for name, value in options.items():
        cfg.CONF.set_override(name, value, group="vsphere")
    driver._session = session
    driver._volumeops = ViaductVolumeOps(session, 100, vmdk.EXTENSION_KEY, vmdk.EXTENSION_TYPE)
    return driver


def _volume(*servers: str | None) -> Any:
    attachments = [SimpleNamespace(instance_uuid=server) for server in servers]

    class Volume(dict[str, Any]):
        id, name = "v1", "volume-v1"
        volume_attachment = attachments

    return Volume(id="v1", name="volume-v1", size=1, volume_type_id=None, volume_attachment=attachments)


class TestExtend:
    def _session(self, *devices: Any, recorded: str | None = "v1") -> Session:
        def properties(vim: Any, reference: Any, path: str) -> Any:
            if path.startswith("config.extraConfig"):
                return None if recorded is None else SimpleNamespace(value=recorded)
            return _device("ArrayOfVirtualDevice", VirtualDevice=list(devices))

        return Session(get_object_property=properties, FindAllByUuid=lambda *a, uuid, **k: [f"vm of {uuid}"])

    def test_an_attached_volume_grows_through_its_server(self) -> None:
        session = self._session(_disk("root", 8), _disk("v1", 1))
        _driver(session).extend_volume(_volume("server-1"), 3)
        (call,) = [call for call in session.calls if call[0] == "ReconfigVM_Task"]
        assert call[1] == (session.vim, "vm of server-1")[1:]
        (change,) = call[2]["spec"].deviceChange
        assert change.operation == "edit"
        assert change.device.backing.uuid == "v1"
        assert (change.device.capacityInKB, change.device.capacityInBytes) == (3 << 20, 3 << 30)
        assert "ExtendVirtualDisk_Task" not in [call[0] for call in session.calls]

    @pytest.mark.parametrize("servers", [(), (None,)])
    def test_a_volume_that_no_server_has_grows_as_upstream_does(
        self, servers: tuple[None, ...], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        seen: list[Any] = []
        monkeypatch.setattr(vmdk.VMwareVcVmdkDriver, "extend_volume", lambda self, v, size: seen.append(size))
        _driver(self._session()).extend_volume(_volume(*servers), 3)
        assert seen == [3]

    def test_a_server_that_does_not_know_the_volume(self) -> None:
        with pytest.raises(exception.InvalidVolume, match="server-1"):
            _driver(self._session(_disk("root", 8), recorded=None)).extend_volume(_volume("server-1"), 3)

    def test_a_server_without_the_disk(self) -> None:
        with pytest.raises(vmdk_exceptions.VirtualDiskNotFoundException):
            _driver(self._session(_disk("root", 8))).extend_volume(_volume("server-1"), 3)


class TestController:
    DEVICES: ClassVar = _device(
        "ArrayOfVirtualDevice",
        VirtualDevice=[
            _device("VirtualIDEController", key=200),
            _device("VirtualLsiLogicController", key=1000),
        ],
    )

    def test_it_is_found(self) -> None:
        operations = ViaductVolumeOps(Session(get_object_property=self.DEVICES), 100, "k", "t")
        assert operations._get_controller("vm-1", "lsiLogic").key == 1000
        assert operations._get_controller("vm-1", "paraVirtual") is None

    def test_upstream_does_not_find_it(self) -> None:
        class Array(SimpleNamespace):
            """As suds: walking over an array object gives its members' names and values."""

            def __iter__(self) -> Any:
                return iter(vars(self).items())

        array = Array(VirtualDevice=self.DEVICES.VirtualDevice)
        operations = upstream_volumeops.VMwareVolumeOps(Session(get_object_property=array), 100, "k", "t")
        assert operations._get_controller("vm-1", "lsiLogic") is None, "upstream finds it now: drop ours"


class TestClonesOfServers:
    """An attached volume's snapshot is a clone of the server: it must not carry the server's identity."""

    def clone(self, operations: Any, **options: Any) -> dict[str, str]:
        session = operations._session
        operations.clone_backing("snap", "vm-7", None, "full", "ds-1", folder="group-v3", **options)
        (spec,) = [kwargs["spec"] for method, _args, kwargs in session.calls if method == "CloneVM_Task"]
        return {option.key: option.value for option in getattr(spec.config, "extraConfig", [])}

    def test_a_server_loses_its_identity(self) -> None:
        session = Session(get_object_property=[_disk("u-1", 1)])
        operations = ViaductVolumeOps(session, 100, "key", "type")
        assert self.clone(operations, disks_to_clone=["u-1"])["nvp.vm-uuid"] == ""

    def test_a_server_leaves_its_adapters_behind(self) -> None:
        adapter = _device("VirtualVmxnet3", key=4000, macAddress="fa:16:3e:00:00:01")
        session = Session(get_object_property=[_disk("u-1", 1), _disk("u-2", 1), adapter])
        self.clone(ViaductVolumeOps(session, 100, "key", "type"), disks_to_clone=["u-1"])
        (spec,) = [kwargs["spec"] for method, _args, kwargs in session.calls if method == "CloneVM_Task"]
        removed = [change.device for change in spec.config.deviceChange]
        assert [getattr(d, "macAddress", None) or d.backing.uuid for d in removed] == [
            "u-2",
            adapter.macAddress,
        ]

    def test_a_volume_keeps_its_own(self) -> None:
        operations = ViaductVolumeOps(Session(), 100, "key", "type")
        kept = self.clone(operations, extra_config={"cinder.volume.id": "v"})
        assert kept == {"cinder.volume.id": "v"}

    def test_upstream_leaves_it(self) -> None:
        session = Session(get_object_property=[_disk("u-1", 1)])
        operations = upstream_volumeops.VMwareVolumeOps(session, 100, "key", "type")
        assert "nvp.vm-uuid" not in self.clone(operations, disks_to_clone=["u-1"]), (
            "mended upstream: drop ours"
        )


@pytest.mark.parametrize(
    ("version", "fitting"),
    [
        ("8.0.3", "8.0.3"),
        ("7.0.0", "7.0.0"),
        ("9.0.0", "8.0"),
        ("9.1", "8.0"),
        ("10.0.0", "8.0"),
        ("6.6", "6.5"),
        ("5.0", "5.0"),
    ],
)
def test_a_storage_policy_interface_for_every_vcenter(version: str, fitting: str) -> None:
    assert pbm_version.fitting(version, ["8.0", "6.5", "5.5", "7.0", "6.7"]) == fitting


def test_what_is_shipped_is_found_by_oslo_vmware() -> None:
    from oslo_vmware import pbm

    assert "8.0" in pbm_version.shipped()
    assert pbm.get_pbm_wsdl_location("9.0.0") is None, "oslo.vmware has it now: drop ours"
    assert pbm.get_pbm_wsdl_location(pbm_version.fitting("9.0.0", pbm_version.shipped())) is not None


def test_the_driver_starts_on_vcenter_9(monkeypatch: pytest.MonkeyPatch) -> None:
    session = Session()
    session.pbm_wsdl_loc_set = lambda location: session.calls.append(("pbm", (location,), {}))  # type: ignore[attr-defined]
    about = SimpleNamespace(version="9.0.0")
    session.vim.service_content.about = about
    driver = _driver(session, vmware_host_ip="vc", vmware_host_username="u", vmware_host_password="p")
    monkeypatch.setattr(driver, "_create_session", lambda: session)
    monkeypatch.setattr(driver, "_register_extension", lambda: None)
    monkeypatch.setattr(upstream_volumeops.VMwareVolumeOps, "build_backing_ref_cache", lambda self: None)
    driver.do_setup(None)
    assert isinstance(driver.volumeops, ViaductVolumeOps)
    assert driver.ds_sel._vops is driver.volumeops
    assert "/8.0/" in next(args[0] for method, args, _ in session.calls if method == "pbm")


def test_statistics_leave_out_datastores_that_volumes_may_not_use(monkeypatch: pytest.MonkeyPatch) -> None:
    import re

    driver = _driver(Session())
    monkeypatch.setattr(driver._volumeops, "_in_maintenance", lambda summary: False)
    driver._ds_regex = re.compile("^compute-ds$")
    mounts = SimpleNamespace(DatastoreHostMount=[])

    def counted(name: str) -> bool:
        return driver._is_datastore_accessible(SimpleNamespace(name=name, accessible=True), mounts, [])

    assert counted("compute-ds")
    assert not counted("management-ds")
    driver._ds_regex = None
    assert counted("management-ds")


@pytest.mark.parametrize(
    ("answer", "url"),
    [
        (("vsphere://vc/folder/i?dsName=a", []), "vsphere://vc/folder/i?dsName=a"),
        (
            (None, [{"url": "file:///i"}, {"url": "vsphere://vc/folder/i?dsName=a"}]),
            "vsphere://vc/folder/i?dsName=a",
        ),
        (("file:///i", None), None),
        ((None, []), None),
    ],
)
def test_where_an_image_lies(answer: tuple[Any, Any], url: str | None) -> None:
    service = SimpleNamespace(get_location=lambda context, image_id: answer)
    assert _driver(Session())._get_vsphere_url(None, service, "i") == url


class TestOva:
    def _size(self, monkeypatch: pytest.MonkeyPatch, container: str, archive: bytes = b"") -> int:
        sizes: list[int] = []
        monkeypatch.setattr(
            vmdk.VMwareVcVmdkDriver,
            "_fetch_stream_optimized_image",
            lambda self, context, volume, service, image_id, size, adapter: sizes.append(size),
        )
        service = SimpleNamespace(
            show=lambda context, image_id: {"container_format": container},
            download=lambda context, image_id: iter([archive]),
        )
        context = cinder_context.get_admin_context()
        _driver(Session())._fetch_stream_optimized_image(context, _volume(), service, "i", 99999, "lsiLogic")
        return sizes[0]

    def test_the_size_of_the_disk_inside(self, monkeypatch: pytest.MonkeyPatch) -> None:
        descriptor = (
            '<Envelope xmlns="http://schemas.dmtf.org/ovf/envelope/1" '
            'xmlns:ovf="http://schemas.dmtf.org/ovf/envelope/1">'
            '<References><File ovf:id="f" ovf:href="disk1.vmdk"/></References>'
            '<DiskSection><Disk ovf:diskId="d" ovf:fileRef="f"/></DiskSection></Envelope>'
        )
        buffer = io.BytesIO()
        with tarfile.open(fileobj=buffer, mode="w") as archive:
            for name, content in (("vm.ovf", descriptor.encode()), ("disk1.vmdk", b"d" * 777)):
                info = tarfile.TarInfo(name)
                info.size = len(content)
                archive.addfile(info, io.BytesIO(content))
        assert self._size(monkeypatch, "ova", buffer.getvalue()) == 777

    def test_other_images_are_as_big_as_they_are(self, monkeypatch: pytest.MonkeyPatch) -> None:
        assert self._size(monkeypatch, "bare") == 99999
