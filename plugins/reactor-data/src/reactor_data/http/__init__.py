"""The HTTP surface of data."""
