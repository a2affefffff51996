"""Buckets and objects over HTTP: see README.md."""

__version__ = "0.1.0"
