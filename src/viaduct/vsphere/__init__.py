"""vCenter, as the manager uses it: the one place that speaks pyVmomi.

:class:`viaduct.vsphere.client.VCenterClient` implements :class:`viaduct.services.ports.VSphere`. Below
it: ``trust`` (TLS), ``session`` (login, renewal), ``faults`` (what a fault means to a person), ``collect``
(reading properties in bulk), ``wait`` (long polls); above these one module per concern.
"""
