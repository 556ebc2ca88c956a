"""The vSphere store under the name that Glance's multi-store code looks for; vCenter is not asked."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

pytest.importorskip("glance_store", reason="needs Glance's store library: see tests/drivers/README.md")

from glance_store import exceptions, location, multi_backend
from glance_store._drivers import vmware_datastore
from oslo_config import cfg
from stevedore import extension

from viaduct_drivers.glance.store import Store


def _serve(entry: str, monkeypatch: pytest.MonkeyPatch) -> object:
    """Start the stores as glance-api does with `enabled_backends = dc:<entry>`; return the store of `dc`."""
    conf = cfg.CONF
    conf.reset()
    conf.register_opts([cfg.DictOpt("enabled_backends")])
    conf.set_override("enabled_backends", {"dc": entry})
    location.SCHEME_TO_CLS_BACKEND_MAP.clear()
    session = SimpleNamespace()
    monkeypatch.setattr(vmware_datastore, "api", SimpleNamespace(VMwareAPISession=lambda *a, **k: session))
    monkeypatch.setattr(vmware_datastore.Store, "_build_datastore_weighted_map", lambda self, stores: {})
    multi_backend.register_store_opts(conf)
    for name, value in (
        ("vmware_server_host", "vc"),
        ("vmware_server_username", "u"),
        ("vmware_server_password", "p"),
        ("vmware_datastores", ["/Datacenter:ds:1"]),
    ):
        conf.set_override(name, value, group="dc")
    multi_backend.create_multi_stores(conf)
    return multi_backend.get_store_from_store_identifier("dc")


@pytest.fixture(autouse=True)
def _installed() -> None:
    names = {entry.name for entry in extension.ExtensionManager("glance_store.drivers")}
    if "vsphere" not in names:
        pytest.skip("viaduct-drivers is not installed here: its entry point is what is tested")


def test_our_entry_point_serves(monkeypatch: pytest.MonkeyPatch) -> None:
    assert isinstance(_serve("vsphere", monkeypatch), Store)


def test_upstreams_entry_point_does_not(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(exceptions.UnknownScheme):
        _serve("vmware", monkeypatch)
