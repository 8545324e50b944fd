"""What all connections have in common: handshake, origins, limits, timeouts, close codes."""
