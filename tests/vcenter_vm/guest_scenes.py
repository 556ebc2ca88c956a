"""A vCenter in the test's own process, with a guest runtime that only remembers."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from vcenter_server import make_vcenter
from viaduct_lab.config import VCenterConfig
from viaduct_lab.guests.runtime import GuestError, GuestNic, GuestSpec, GuestStatus
from viaduct_lab.vcenter.core.center import VCenter
from viaduct_lab.vcenter.core.types import vim
from viaduct_lab.vcenter.kinds.virtual_machine import VirtualMachine
from viaduct_lab.vcenter.server import open_center
from viaduct_lab.vcenter.vm import guests


class FakeRuntime:
    """Remembers what it was asked; guests run when started."""

    def __init__(self) -> None:
        self.calls: list[tuple[Any, ...]] = []
        self.specs: dict[str, GuestSpec] = {}
        self.states: dict[str, GuestStatus] = {}
        self.folders: set[str] = set()
        self.changed: Callable[[str], None] = lambda vm_id: None
        self.broken = ""

    def start(self, spec: GuestSpec) -> None:
        if self.broken:
            raise GuestError(self.broken)
        self.specs[spec.vm_id] = spec
        self.folders.add(spec.vm_id)
        self.states[spec.vm_id] = GuestStatus("running")

    def stop(self, vm_id: str) -> None:
        self.states.pop(vm_id, None)

    def forget(self, vm_id: str) -> None:
        self.stop(vm_id)
        self.folders.discard(vm_id)

    def kept(self) -> tuple[str, ...]:
        return tuple(self.folders | self.states.keys())

    def shutdown(self, vm_id: str) -> None:
        self.states.pop(vm_id, None)
        self.changed(vm_id)

    def reboot(self, vm_id: str) -> None:
        self.calls.append(("reboot", vm_id))

    def reset(self, vm_id: str) -> None:
        self.calls.append(("reset", vm_id))

    def suspend(self, vm_id: str) -> None:
        self.states[vm_id] = replace(self.states[vm_id], state="suspended")

    def resume(self, vm_id: str) -> None:
        self.states[vm_id] = replace(self.states[vm_id], state="running")

    def connect(self, vm_id: str, nics: tuple[GuestNic, ...]) -> None:
        self.calls.append(("connect", vm_id, nics))

    def set_guestinfo(self, vm_id: str, guestinfo: Mapping[str, str], news: Collection[str]) -> None:
        self.calls.append(("set_guestinfo", vm_id, dict(guestinfo), set(news)))

    def status(self, vm_id: str) -> GuestStatus:
        return self.states.get(vm_id, GuestStatus("off"))

    def adopt(self) -> tuple[str, ...]:
        return tuple(self.states)

    def watch(self, changed: Callable[[str], None]) -> None:
        self.changed = changed

    def close(self) -> None: ...


Scenario = Callable[[VCenter, FakeRuntime], Awaitable[None]]
Play = Callable[[Scenario], None]


@pytest.fixture
def config(tmp_path: Path) -> VCenterConfig:
    """A lab with an image of two layers."""
    image = tmp_path / "images" / "one"
    for layer in ("base", "openstack"):
        (tmp_path / "images" / "layers" / layer).mkdir(parents=True)
    image.mkdir()
    layers = ["../layers/base", "../layers/openstack"]
    manifest = image / "manifest.json"
    manifest.write_text(json.dumps({"id": "one", "version": "0.1.0", "layers": layers}))
    return make_vcenter(tmp_path, image_manifest=manifest, network="127.0.81").config


@pytest.fixture
def play(config: VCenterConfig, monkeypatch: pytest.MonkeyPatch) -> Play:
    """Runs scenarios one after the other, each in a vCenter that was just started, with one runtime."""
    runtime = FakeRuntime()

    def use(center: VCenter) -> None:
        center.services["runtime"] = runtime

    monkeypatch.setattr(guests, "make_runtime", use)

    async def run(scenario: Scenario) -> None:
        center = await open_center(config)
        try:
            await asyncio.wait_for(scenario(center, runtime), 10)
        finally:
            center.commit()
            await center.stop_background()
            center.store.close()

    def start(scenario: Scenario) -> None:
        asyncio.run(run(scenario))

    return start


class Task:
    """A task that nobody watches."""

    def progress(self, percent: int) -> None: ...

    def check_cancelled(self) -> None: ...


async def do(machine: VirtualMachine, method: str, **arguments: Any) -> Any:
    """Call a SOAP method's handler as the server would."""
    names = {p.name for p in _parameters(method)}
    assert set(arguments) <= names
    args = SimpleNamespace(**{**dict.fromkeys(names), **arguments})
    handler = getattr(machine, machine.soap_handlers[method])
    extra = (Task(),) if method.endswith("_Task") else ()
    result = handler(None, args, *extra)
    return await result if asyncio.iscoroutine(result) else result


def _parameters(method: str) -> list[Any]:
    found = next(m for m in vim.VirtualMachine._GetMethodList() if m.wsdlName == method)
    return list(found.params)


def template(center: VCenter) -> VirtualMachine:
    return next(m for m in center.registry.of_kind(VirtualMachine) if m.is_template)


async def node(center: VCenter, **fields: Any) -> VirtualMachine:
    """A clone of the appliance."""
    golden = template(center)
    assert golden.host is not None
    pool = next(p for p in center.registry if p.type_name == "ResourcePool")
    config = vim.vm.ConfigSpec(
        extraConfig=[vim.option.OptionValue(key="guestinfo.hostname", value="node-1")], **fields
    )
    spec = vim.vm.CloneSpec(
        location=vim.vm.RelocateSpec(pool=pool.ref), powerOn=False, template=False, config=config
    )
    folder = golden.parent
    assert folder is not None
    ref = await do(golden, "CloneVM_Task", folder=folder.ref, name="node-1", spec=spec)
    return center.registry.find(ref, VirtualMachine)


async def until(condition: Callable[[], bool]) -> None:
    """Wait for what a callback from the runtime's thread brings about."""
    for _ in range(500):
        if condition():
            return
        await asyncio.sleep(0.005)
    raise AssertionError("it never happened")


def extra(machine: VirtualMachine) -> dict[str, str]:
    """extraConfig as a client sees it."""
    return {option.key: option.value for option in machine.prop_config().extraConfig}
