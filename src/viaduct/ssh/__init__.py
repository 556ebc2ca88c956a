"""SSH to nodes: :class:`viaduct.ssh.transport.SshTransport` implements ``NodeTransport`` with asyncssh."""
