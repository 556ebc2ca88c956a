"""The lab's vCenter: a server of the vSphere Web Services API, driven by pyVmomi's type registry."""
