"""How the broker is reached: over HTTP and over websockets."""
