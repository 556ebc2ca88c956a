"""What things are: frozen dataclasses, no I/O, nothing but the standard library."""
