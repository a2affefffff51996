"""Contract → provider."""
