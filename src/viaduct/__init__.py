"""Viaduct carries OpenStack over vSphere."""

__version__ = "0.1.0"
