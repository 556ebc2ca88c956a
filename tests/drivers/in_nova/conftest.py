"""Nova's configuration for the tests of this folder."""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest

os.environ.setdefault("OS_NOVA_DISABLE_EVENTLET_PATCHING", "1")


class Factory:
    """Makes empty vSphere objects as suds does: the class has the type's name."""

    def create(self, name: str) -> Any:
        kind = type(name.partition(":")[2], (SimpleNamespace,), {})
        made = kind()
        if kind.__name__ == "VirtualMachineConfigSpec":
            made.extraConfig = None
        return made


class Session:
    """A vCenter session that records calls and answers from a table of method -> answer or exception."""

    def __init__(self, **answers: Any) -> None:
        self.answers = answers
        self.calls: list[tuple[str, tuple[Any, ...], dict[str, Any]]] = []
        self.vim = SimpleNamespace(
            client=SimpleNamespace(factory=Factory()), service_content=SimpleNamespace()
        )

    def _call_method(self, module: Any, method: str, *args: Any, **kwargs: Any) -> Any:
        self.calls.append((method, args, kwargs))
        answer = self.answers.get(method)
        return answer(*args, **kwargs) if callable(answer) else answer

    def _wait_for_task(self, task: Any) -> Any:
        if isinstance(task, Exception):
            raise task
        return SimpleNamespace(result=task)

    def methods(self) -> list[str]:
        return [method for method, _args, _kwargs in self.calls]


@pytest.fixture(scope="session")
def _nova() -> None:
    """Nova with its options known, as a service has it."""
    from nova import config, objects

    from viaduct_drivers.nova import config as our_config

    config.parse_args(["nova"], default_config_files=[], configure_db=False, init_rpc=False)
    objects.register_all()
    import nova.conf

    our_config.register(nova.conf.CONF)


@pytest.fixture
def conf(_nova: None) -> Iterator[Any]:
    """Nova's configuration; what a test sets is forgotten after it."""
    import nova.conf

    nova.conf.CONF.set_override("host_ip", "127.0.0.1", group="vmware")
    yield nova.conf.CONF
    nova.conf.CONF.reset()
    nova.conf.CONF.clear_override("host_ip", group="vmware")
    for name, group in (("ca_file", "vmware"), ("datastore_regex", "vmware"), ("cloud", "viaduct_vsphere")):
        nova.conf.CONF.clear_override(name, group=group)


@pytest.fixture
def instance(_nova: None) -> Any:
    """As much of a server as the driver's parts look at."""
    return SimpleNamespace(uuid=str(uuid.uuid4()), image_ref="image", name="instance-1", display_name="web")
