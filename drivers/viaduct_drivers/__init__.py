"""OpenStack drivers for vSphere, installed beside OpenStack inside the appliance.

`neutron` holds the ML2 mechanism driver for distributed switches; `nova` and `cinder` hold thin subclasses
of the upstream VMware drivers, one module for each upstream bug that a tenant would meet.
"""
