"""Rows over HTTP, under native row-level security."""

__version__ = "0.1.0"
