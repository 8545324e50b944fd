"""The execution of GraphQL operations, for all transports."""
