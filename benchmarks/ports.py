"""Ports for servers that are about to start."""

import secrets
import socket
from contextlib import suppress

# Below those that Linux gives to whoever asks for any, so that no connection has the port before
# the server does.
_PORTS = range(10_000, 32_768)


def free_port() -> int:
    """A port that nothing has, on any of this machine's addresses."""
    while True:
        port = secrets.choice(_PORTS)
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("", port))
            return port
