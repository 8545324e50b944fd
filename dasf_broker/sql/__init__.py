"""SQL statements that the ORM builds once and that run many times."""
