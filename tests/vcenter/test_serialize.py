"""The serializer against pyVmomi's own, and what the codec keeps."""

from __future__ import annotations

from datetime import UTC, datetime
from io import StringIO
from typing import Any

import pytest
from lxml import etree
from pyVmomi import SoapAdapter, VmomiSupport, vim, vmodl

from viaduct_lab.vcenter.core import codec
from viaduct_lab.vcenter.hosts import description
from viaduct_lab.vcenter.hosts.vm_options import config_option
from viaduct_lab.vcenter.soap.serialize import escape, serializer_for

VERSION = "vim.version.v8_0_3_0"
NAMESPACES = (
    'xmlns="urn:vim25" xmlns:xsd="http://www.w3.org/2001/XMLSchema" '
    'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"'
)
HARDWARE = description.HostHardware()
UUID = "12345678-1234-1234-1234-123456789abc"

VALUES = [
    "a<b>&\"c'",
    True,
    7,
    VmomiSupport.long(1 << 40),
    1.5,
    datetime(2026, 11, 20, 12, 30, 1, 250000, tzinfo=UTC),
    VmomiSupport.binary(b"\x00\xff"),
    vim.VirtualMachine("vm-1"),
    vim.VirtualMachine.PowerState("poweredOn"),
    VmomiSupport.GetVmodlType("string[]")(["a", "b<"]),
    VmomiSupport.GetVmodlType("int[]")([1, 2]),
    vim.HostSystem.Array([vim.HostSystem("host-1")]),
    vim.Datastore.Array([]),
    vim.option.OptionValue.Array(
        [vim.option.OptionValue(key="a.b", value="x"), vim.option.OptionValue(key="c", value=3)]
    ),
    description.hardware_info(HARDWARE, UUID, "h"),
    description.storage_device(UUID, ["ds"], ("10.0.0.1:3260",)),
    description.config_info(
        vim.HostSystem("host-1"), "10.0.0.1", UUID, HARDWARE, description.storage_device(UUID, [], ())
    ),
    config_option("vmx-21"),
    vim.fault.DuplicateName(name="x", object=vim.Folder("group-v1"), msg="It's <there>"),
    vim.TaskInfo(
        key="task-1",
        task=vim.Task("task-1"),
        name=vim.VirtualMachine.PowerOn,
        descriptionId="VirtualMachine.powerOn",
        state="error",
        cancelled=False,
        cancelable=False,
        queueTime=datetime(2026, 1, 1, tzinfo=UTC),
        reason=vim.TaskReasonUser(userName="u"),
        eventChainId=1,
        result=VmomiSupport.GetVmodlType("string[]")(["r"]),
        error=vim.fault.FileNotFound(
            file="[ds] a", msg="gone", faultCause=vmodl.fault.SystemError(reason="r", msg="m")
        ),
    ),
]


def ours(value: Any) -> str:
    """Our serializer's form."""
    return serializer_for("8.0.3.0").any_value("val", value)


def theirs(value: Any) -> str:
    """pyVmomi's form."""
    out = StringIO()
    names = {"urn:vim25": "", VmomiSupport.XMLNS_XSI: "xsi", VmomiSupport.XMLNS_XSD: "xsd"}
    serializer = SoapAdapter.SoapSerializer(out, VERSION, names)
    serializer.outermostAttrs = ""
    serializer.Serialize(value, VmomiSupport.Object(name="val", type=object, version=VERSION, flags=0))
    return out.getvalue()


def canonical(text: str) -> bytes:
    """Comparable XML: quoting and the like aside."""
    root = etree.fromstring(text.replace("<val", f"<val {NAMESPACES}", 1))
    return bytes(etree.tostring(root, method="c14n"))


@pytest.mark.parametrize("value", VALUES, ids=lambda value: type(value).__name__)
def test_same_as_pyvmomi(value: Any) -> None:
    if isinstance(value, vim.VirtualMachine):  # pyVmomi calls the type ManagedObject; the schema has none
        assert 'xsi:type="ManagedObjectReference" type="VirtualMachine">vm-1<' in ours(value)
        return
    assert canonical(ours(value)) == canonical(theirs(value))


@pytest.mark.parametrize("value", VALUES, ids=lambda value: type(value).__name__)
def test_the_codec_keeps_everything(value: Any) -> None:
    kept = codec.load(codec.dump(value))
    if not ours(value).startswith('<val xsi:type="ArrayOfManagedObjectReference"'):
        assert type(kept) is type(value)  # an array of references does not say of what
    assert codec.dump(kept) == codec.dump(value)


def test_what_an_old_client_gets() -> None:
    """Types and properties that its version has not are left out."""
    old = serializer_for("6.0")
    spec = vim.vm.ConfigSpec(name="x", sevEnabled=True, numCPUs=2)
    xml = old.any_value("val", spec)
    assert "<numCPUs>2</numCPUs>" in xml
    assert "sevEnabled" not in xml
    assert "sevEnabled" in ours(spec)
    newer = vim.vm.device.VirtualNVMEController(key=1, busNumber=0, sharedBus=None)
    assert 'xsi:type="VirtualNVMEController"' not in serializer_for("6.0").any_value("val", newer)


def test_declared_types_decide_about_numbers_and_lists() -> None:
    serializer = serializer_for("8.0.3.0")
    assert serializer.any_value("v", 5, VmomiSupport.long) == '<v xsi:type="xsd:long">5</v>'
    refs = serializer.any_value("v", [vim.HostSystem("h")], vim.HostSystem.Array)
    assert refs.startswith('<v xsi:type="ArrayOfManagedObjectReference"><ManagedObjectReference type=')
    with pytest.raises(TypeError):
        serializer.any_value("v", [1])
    with pytest.raises(TypeError):
        serializer.any_value("v", object())


def test_escape() -> None:
    assert escape("a\r\n\t<&>") == "a&#13;\n\t&lt;&amp;&gt;"
    assert escape("\x00\x1f\ud800ok\U0001f600") == "\ufffd\ufffd\ufffdok\U0001f600"


def test_unknown_and_newer_versions_get_ours() -> None:
    assert serializer_for("9.1.1.0").version == serializer_for("nonsense").version == VERSION
