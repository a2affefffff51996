"""The Alembic branch of the plugin."""
