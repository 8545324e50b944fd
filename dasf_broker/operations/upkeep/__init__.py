"""What is done regularly without a request: pings, retention, removal of what is not needed."""
