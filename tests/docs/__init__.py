"""The documentation: that it is built without a warning, and that what it says works."""
