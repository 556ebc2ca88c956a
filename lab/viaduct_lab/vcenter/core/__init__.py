"""What every managed object kind builds on: registry, journal, persistence, tasks, events, sessions."""
