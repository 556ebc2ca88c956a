"""What people write and read: site files and cloud specs as YAML, to and from the model."""
