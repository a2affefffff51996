"""Reading SQL text: tokens, statements, and the three additions to plain Postgres that migrations may use."""
