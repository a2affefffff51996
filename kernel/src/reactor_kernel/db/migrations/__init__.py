"""The kernel's own revisions: SQL helpers that read the published claims, and the outbox."""
