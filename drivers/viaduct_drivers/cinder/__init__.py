"""A thin subclass of Cinder's VMDK driver. Written against cinder 29.0.0; `vmdk` is what Cinder loads."""
