"""What hosts test with. ``tests/hosts`` tries it in the tests of a host."""
