"""Adapter: brings nodes into their state over SSH. ``agent`` is the program that does it there."""

from viaduct.node.applier import SshNodeApplier

__all__ = ["SshNodeApplier"]
