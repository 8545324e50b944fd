"""How much a document may ask for, and who may see the schema."""
