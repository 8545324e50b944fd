"""GraphQL operations, executed for all transports that carry them."""
