"""SQL that the ORM builds once and that runs many times."""
