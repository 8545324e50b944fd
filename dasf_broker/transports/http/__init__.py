"""GraphQL over HTTP: a Django view, the same beside Django, server-sent events, the page."""
