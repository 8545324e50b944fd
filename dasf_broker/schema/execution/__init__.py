"""The execution of operations: documents, context, loaders and shared results."""
