"""How operations are executed: documents, context, loaders, results that are shared."""
