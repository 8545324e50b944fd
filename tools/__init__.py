"""What those who work on the broker run now and then."""
