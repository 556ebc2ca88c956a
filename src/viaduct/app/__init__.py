"""Settings, and the only place that wires concrete adapters to the use cases."""
