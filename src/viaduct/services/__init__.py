"""Use cases. They know adapters only through the protocols in :mod:`viaduct.services.ports`."""
