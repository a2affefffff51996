"""Typed events: published with a commit, delivered locally or from the outbox."""
