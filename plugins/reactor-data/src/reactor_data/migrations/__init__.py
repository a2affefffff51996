"""Revisions of the branch `data`."""
