"""Verification of a cloud as its tenants use it, looking in vCenter at each step.

:class:`viaduct.services.verify.verifier.TenantVerifier` implements ``Verifier``. The checks are data:
:data:`viaduct.services.verify.checks.STAGES`.
"""
