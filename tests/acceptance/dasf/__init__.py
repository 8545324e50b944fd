"""The unmodified DASF client and its backend modules against a real server."""
