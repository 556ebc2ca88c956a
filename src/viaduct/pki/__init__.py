"""A cloud's own certificate authority and secrets: :class:`viaduct.pki.authority.CloudAuthority`."""
