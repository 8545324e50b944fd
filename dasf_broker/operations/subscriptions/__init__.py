"""Live subscriptions: to messages, pings and pongs; and how they end."""
