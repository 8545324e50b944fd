"""All attacks of strangers at once, on a server that has well-behaved clients."""
