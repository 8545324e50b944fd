"""A small Django project with the broker in it: for the demo, the tests, and as an example."""
