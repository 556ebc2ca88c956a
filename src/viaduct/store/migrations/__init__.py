"""Schema versions. ``HEAD`` is the newest: known without loading Alembic (a test compares the two)."""

HEAD = "0001"
