"""The inside of virtual machines: state, devices, views of it. Registers nothing; `kinds` does."""
