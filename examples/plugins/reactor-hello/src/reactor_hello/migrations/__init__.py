"""The Alembic revisions of branch `hello`."""
