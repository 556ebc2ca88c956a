"""Glance's vSphere datastore store, as the store type `vsphere`: `enabled_backends = <name>:vsphere`.

Upstream: glance_store's entry point is called `vmware`, the store's scheme `vsphere`, and
glance_store/multi_backend.py, `get_store_from_store_identifier`, takes one for the other: a back end of type
`vmware` ends Glance's start with "Unknown scheme". An entry point `vsphere` for upstream's class does not
help: `_list_driver_opts` registers the options of each class once, under the first of its names.
"""

from __future__ import annotations

from glance_store._drivers import vmware_datastore

# glance_store looks for a class of this name in the module of the store's class.
StoreLocation = vmware_datastore.StoreLocation


class Store(vmware_datastore.Store):
    """Upstream's store, unchanged; a class of its own so that its options are registered."""
