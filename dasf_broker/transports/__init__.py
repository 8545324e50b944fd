"""The transports: HTTP, server-sent events and websockets."""
