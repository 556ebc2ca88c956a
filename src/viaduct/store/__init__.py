"""What the manager remembers, in one SQLite database. The only SQL of the manager."""
