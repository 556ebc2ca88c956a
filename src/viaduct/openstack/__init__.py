"""OpenStack's APIs through openstacksdk, which is imported only when it is needed: it is slow to load.

:class:`viaduct.openstack.admin.OpenStackAdmin` implements ``OpenStack``;
:class:`viaduct.openstack.tenancy.CloudTenancy` makes tenants for the verification.
"""
