"""Datastores as folders of real files: paths, files, virtual disks. Knows nothing of SOAP."""
