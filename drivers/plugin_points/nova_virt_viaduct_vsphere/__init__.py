"""Makes `compute_driver = viaduct_vsphere.ViaductVCDriver` loadable: Nova imports from nova.virt only."""

from viaduct_drivers.nova.driver import ViaductVCDriver

__all__ = ["ViaductVCDriver"]
