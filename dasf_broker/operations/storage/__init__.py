"""What a topic holds: how much, which ids are taken, when a message is removed."""
