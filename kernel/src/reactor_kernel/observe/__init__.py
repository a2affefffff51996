"""Structured logs, their ring, metrics, optional traces."""
