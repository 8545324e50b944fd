"""Common to all connections: handshake, origins, limits, timeouts and close codes."""
