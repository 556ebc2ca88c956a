"""Small helpers for pyVmomi clients in tests."""

from __future__ import annotations

import time
from typing import Any

from pyVmomi import vim, vmodl

Collector = vmodl.query.PropertyCollector


def wait_for_task(task: Any, seconds: float = 10.0) -> Any:
    """The task's result; raises its error."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        info = task.info
        if info.state == "success":
            return info.result
        if info.state == "error":
            raise info.error
        time.sleep(0.01)
    raise TimeoutError(f"{task} still {info.state}")


def object_filter(obj: Any, *paths: str, vim_type: Any = None) -> Any:
    """A filter spec for properties of one object."""
    return Collector.FilterSpec(
        objectSet=[Collector.ObjectSpec(obj=obj)],
        propSet=[Collector.PropertySpec(type=vim_type or obj.__class__, pathSet=list(paths))],
    )


def view_filter(view: Any, vim_type: Any, *paths: str) -> Any:
    """A filter spec for properties of all objects of a type in a view."""
    step = Collector.TraversalSpec(name="view", type=view.__class__, path="view", skip=False)
    return Collector.FilterSpec(
        objectSet=[Collector.ObjectSpec(obj=view, skip=True, selectSet=[step])],
        propSet=[Collector.PropertySpec(type=vim_type, pathSet=list(paths))],
    )


def values(content: Any) -> dict[str, Any]:
    """Name -> value of an ObjectContent or ObjectUpdate."""
    rows = getattr(content, "propSet", None) or getattr(content, "changeSet", [])
    return {row.name: row.val for row in rows}


def datacenter(si: Any) -> Any:
    """The default datacenter."""
    found = si.content.searchIndex.FindByInventoryPath("Datacenter")
    assert isinstance(found, vim.Datacenter)
    return found


def cluster(si: Any, name: str) -> Any:
    """A cluster of the default datacenter."""
    found = si.content.searchIndex.FindByInventoryPath(f"Datacenter/host/{name}")
    assert isinstance(found, vim.ClusterComputeResource)
    return found
