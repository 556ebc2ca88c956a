"""What a node is told at its first boot, as data. Pure: imports only the model."""
