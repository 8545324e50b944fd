"""GraphQL over HTTP: a Django view, an ASGI middleware, server-sent events and GraphiQL."""
