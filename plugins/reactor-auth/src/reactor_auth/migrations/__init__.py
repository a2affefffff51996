"""The Alembic revisions of branch `auth`."""
