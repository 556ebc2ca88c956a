"""The managed object kinds, one a file. Each file is imported at start and registers its classes."""
