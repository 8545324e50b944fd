"""Live subscriptions: to messages, to pings and pongs; and when they end."""
