"""What the lab's ESXi hosts look like: pure descriptions of hardware and configuration."""
