"""The limits of a document, and the users that may see the schema."""
