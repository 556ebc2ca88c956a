"""The name under which Glance can load its own vSphere datastore store."""
