"""The `/_admin` routes."""
