"""The command line: thin. One verb a file; the use cases are in :mod:`viaduct.services`."""
